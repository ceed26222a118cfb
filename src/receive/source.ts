import type { IncomingMessage } from "node:http";
import type { Config } from "../config/schema.ts";
import type { Trust } from "../platform/http/connection-limits.ts";
import { clientAddress, parseNetworks } from "../platform/net/addresses.ts";
import { isSameSecret } from "../platform/same-secret.ts";

/**
 * The sender of a request, and why it would be refused (null: it would not). `doubt`, for the log: what is wrong with how a
 * trusted proxy names its client.
 */
export type Source = { address: string; refusal: "source" | "token" | null; doubt: string | null };

type Place = Pick<Config, "server" | "receive">;

/**
 * Judges the sender of a request by its address, behind trusted proxies, and by the token in the path where one is configured.
 * A malformed X-Forwarded-For is refused. `token` is undefined when the path has none.
 */
export function createSourceCheck({ server, receive }: Place) {
  const trusted = parseNetworks(server.trustedProxies);
  const allowed = receive.allowFrom === "any" ? null : parseNetworks(receive.allowFrom);
  const { tokens } = receive;

  function judgeAddress(socket: string | undefined, forwarded: string | string[] | undefined, other: string): Source {
    const address = clientAddress(socket, forwarded, trusted);
    if (address === null) {
      const doubt = "its X-Forwarded-For cannot be read";
      return { address: socket ?? "unknown", refusal: "source", doubt: socket === undefined ? null : doubt };
    }
    const isUnnamed = other !== "" && !forwarded?.length && trusted.contains(address);
    const doubt = isUnnamed
      ? `it names its client in ${other} only, which is not read: have it set X-Forwarded-For`
      : null;
    return { address, refusal: allowed === null || allowed.contains(address) ? null : "source", doubt };
  }

  // A sender reuses its connection, so the last result serves its next requests.
  let last: { socket?: string; forwarded?: string | string[]; other: string; source: Source } | null = null;

  return function judge({ socket: { remoteAddress: socket }, headers }: IncomingMessage, token?: string): Source {
    const forwarded = headers["x-forwarded-for"];
    const other = headers.forwarded !== undefined ? "Forwarded" : headers["x-real-ip"] !== undefined ? "X-Real-IP" : "";
    if (last === null || last.socket !== socket || last.forwarded !== forwarded || last.other !== other) {
      last = { socket, forwarded, other, source: judgeAddress(socket, forwarded, other) };
    }
    const { source } = last;
    if (source.refusal !== null || tokens.length === 0 || isOneOf(token ?? "", tokens)) return source;
    return { ...source, refusal: "token" };
  };
}

/** The addresses that the listener serves first: by the socket's address, because no request is read yet. */
export function trustOf({ server, receive }: Place): Trust {
  const named = receive.allowFrom === "any" ? [] : receive.allowFrom;
  const networks = parseNetworks([...server.trustedProxies, ...named]);
  return {
    isTrusted: (address) => networks.contains(address),
    isOpen: receive.allowFrom === "any" || receive.mode === "observe",
  };
}

/** Compares with all tokens, so that the duration does not reveal which one is right. */
function isOneOf(given: string, tokens: string[]): boolean {
  return tokens.filter((token) => isSameSecret(given, token)).length > 0;
}
