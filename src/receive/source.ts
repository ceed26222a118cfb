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

  function judgeAddress(socket: string | undefined, forwarded: string | string[] | undefined): Source {
    const address = clientAddress(socket, forwarded, trusted);
    if (address === null) return { address: socket ?? "unknown", refusal: "source" };
    return { address, refusal: allowed === null || allowed.contains(address) ? null : "source" };
  }

  // A sender keeps its connection: the last answer serves its next requests.
  let last: { socket: string | undefined; forwarded: string | string[] | undefined; source: Source } | null = null;

  return function judge(request: IncomingMessage, token: string | undefined): Source {
    const socket = request.socket.remoteAddress;
    const forwarded = request.headers["x-forwarded-for"];
    if (last === null || last.socket !== socket || last.forwarded !== forwarded) {
      last = { socket, forwarded, source: judgeAddress(socket, forwarded) };
    }
    const { source } = last;
    if (source.refusal !== null || tokens.length === 0 || isOneOf(token ?? "", tokens)) return source;
    return { ...source, refusal: "token" };
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
