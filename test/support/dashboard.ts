import type { TestContext } from "node:test";
import type { ConfigInput } from "../../src/config/schema.ts";
import { startAdmin, TOKEN } from "./admin.ts";
import { type Answer, send } from "./front-door.ts";
import type { RealPorts } from "./real-ports.ts";

/** What a browser sends with a form of its own page. */
export const OWN = { "sec-fetch-site": "same-origin" };

/** A relay whose dashboard is asked as a browser does: it keeps its cookies, and follows nothing by itself. */
export async function openDashboard(t: TestContext, overrides: ConfigInput = {}, ports?: RealPorts) {
  const admin = await startAdmin(t, overrides, ports);
  const jar = new Map<string, string>();

  async function ask(method: string, path: string, { body = "", headers = {} }: Asked = {}): Promise<Answer> {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const host = `127.0.0.1:${admin.port()}`;
    const all = { host, accept: "text/html", ...(cookie && { cookie }), ...headers };
    const answer = await send(admin.port(), { method, path, headers: all }, body);
    for (const line of answer.headers["set-cookie"] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
      if (/Max-Age=0/.test(line)) jar.delete(name!);
      else jar.set(name!, value!);
    }
    return answer;
  }

  const form = (path: string, fields: Record<string, string> = {}, headers: Record<string, string> = OWN) =>
    ask("POST", path, {
      body: new URLSearchParams(fields).toString(),
      headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
    });

  return {
    ...{ ...admin, jar, form },
    page: (path: string, headers: Record<string, string> = {}) => ask("GET", path, { headers }),
    /** Answers like a form; from then on the cookie is sent. */
    login: (token = TOKEN, to = "/events") => form("/login", { token, to }),
    send: ask,
  };
}

type Asked = { body?: string; headers?: Record<string, string> };
