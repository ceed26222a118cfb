import type { TestContext } from "node:test";
import type { ConfigInput } from "../../src/config/schema.ts";
import { type Answer, send } from "./front-door.ts";
import type { RealPorts } from "./real-ports.ts";
import { startRelay } from "./relay-in-folder.ts";
import { waitFor } from "./wait.ts";

/** Tokens that are long enough. */
export const TOKEN = "a-token-of-the-operator-and-of-nobody";
export const READER = "a-token-that-reads-and-does-no-more";

type Ask = { body?: unknown; raw?: string; headers?: Record<string, string | string[]>; token?: string | null };

/** A relay with an admin listener, and how it is asked; with the operator's token unless told otherwise. */
export async function startAdmin(t: TestContext, overrides: ConfigInput = {}, ports?: RealPorts) {
  const admin = {
    listen: "127.0.0.1:0",
    token: TOKEN,
    tokens: [{ name: "prometheus", token: READER, can: "read" as const }],
    ...overrides.admin,
  };
  const relay = await startRelay({ ...overrides, admin }, ports);
  t.after(() => relay.close());
  const urls = () =>
    relay.ports.log.facts.filter(({ fact }) => fact === "admin listening").map(({ fields }) => String(fields.url));
  const port = () => Number(new URL(urls().at(-1)!).port);

  function ask(method: string, path: string, { body, raw, headers, token = TOKEN }: Ask = {}): Promise<Answer> {
    const authorization: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
    const text = raw ?? (body === undefined ? "" : JSON.stringify(body));
    return send(port(), { method, path, headers: { ...authorization, ...headers } }, text);
  }
  return {
    relay,
    port,
    /** Waits until it has begun to listen for the `nth` time. */
    listening: (nth: number) => waitFor(() => urls().length >= nth),
    ask,
    get: (path: string, options: Ask = {}) => ask("GET", `/api/v1${path}`, options),
    post: (path: string, body?: unknown, options: Ask = {}) => ask("POST", `/api/v1${path}`, { ...options, body }),
    /** Sends the relay an event of the provider. */
    async event(members: Record<string, unknown>): Promise<string> {
      const text = JSON.stringify({ type: "video.ready", ...members });
      const { json } = await send(relay.port, { method: "POST", path: "/webhooks/wochit" }, text);
      return json.id ?? json.error.quarantineId;
    },
  };
}
