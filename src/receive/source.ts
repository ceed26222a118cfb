import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Config } from "../config.ts";
import { clientAddress, parseNetworks } from "../platform/addresses.ts";

/** Who sent a request, and why it would be refused (null: it would not). */
export type Source = { address: string; refusal: "source" | "token" | null };

/**
 * Judges the sender of a request: by its address, read behind trusted proxies, and by the token in the path where one is
 * configured. A forwarded header that cannot be read refuses. `token` is undefined when the path had none.
 */
export function createSourceCheck({ server, receive }: Pick<Config, "server" | "receive">) {
  const trusted = parseNetworks(server.trustedProxies);
  const allowed = receive.allowFrom === "any" ? null : parseNetworks(receive.allowFrom);
  const tokens = receive.tokens.map(digest);

  return function judge(request: IncomingMessage, token: string | undefined): Source {
    const socket = request.socket.remoteAddress;
    const address = clientAddress(socket, request.headers["x-forwarded-for"], trusted);
    if (address === null) return { address: socket ?? "unknown", refusal: "source" };
    if (allowed !== null && !allowed.contains(address)) return { address, refusal: "source" };
    return { address, refusal: tokens.length === 0 || isOneOf(token ?? "", tokens) ? null : "token" };
  };
}

/** Compares digests of one length, all of them, so that the time taken tells nothing about the token. */
function isOneOf(given: string, tokens: Buffer[]): boolean {
  const sent = digest(given);
  return tokens.reduce((found, token) => timingSafeEqual(sent, token) || found, false);
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
