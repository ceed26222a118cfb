import { isIP } from "node:net";
import { type Config, PROVIDER_ADDRESSES, parseListen } from "../../config/schema.ts";
import { clientAddress, parseNetworks, refusalOf } from "../../platform/net/addresses.ts";
import { type Finding, of, ok, warning } from "../probe.ts";

/** A request to judge: the socket's address, and its X-Forwarded-For. */
export type Request = { socket: string; forwardedFor: string | undefined };

type Settings = Pick<Config, "server" | "receive">;

/** Which address the relay takes for a request's sender, and which senders it lets in. `addresses`: those of this machine. */
export function judgeSenders(config: Settings, addresses: string[], request: Request | null): Finding[] {
  return [
    of("proxies", judgeProxies(config, addresses)),
    of("allowed", judgeAllowed(config)),
    ...(request === null ? [] : [of("request", judgeRequest(request, config))]),
  ];
}

/** Addresses that no operator's own network holds. */
const PUBLIC = ["8.8.8.8", "1.1.1.1", "2001:4860:4860::8888"];

function judgeProxies({ server, receive }: Settings, addresses: string[]): Finding {
  const { trustedProxies } = server;
  if (trustedProxies.length > 0) {
    const networks = parseNetworks(trustedProxies);
    const list = trustedProxies.join(", ");
    if (PUBLIC.some((address) => networks.contains(address))) {
      return warning(
        `server.trustedProxies (${list}) includes the public internet: every client can name any sender in X-Forwarded-For`,
        "name the addresses of your proxies only",
      );
    }
    return ok(`X-Forwarded-For is trusted from ${list}; from all others the socket's address counts`);
  }
  const said = "no server.trustedProxies: a sender is the socket's address";
  if (receive.allowFrom === "any") return ok(said);
  const why = whySuspect(server, addresses);
  if (why === null) return ok(said);
  return warning(
    `${said}; ${why}, so behind a proxy every sender looks like that proxy, and is refused`,
    "name the load balancer's or proxy's addresses in server.trustedProxies, if there is one",
  );
}

/** Why a proxy is likely although none is named; null: nothing speaks for one. */
function whySuspect({ listen, tls, publicUrl }: Config["server"], addresses: string[]): string | null {
  const { host } = parseListen(listen)!;
  const kind = isIP(host) === 0 ? null : refusalOf(host, false);
  if (host === "localhost" || kind === "a loopback address") return `at ${listen} only this machine can connect`;
  if (publicUrl?.startsWith("https:") && tls === null) return "server.publicUrl is https and server.tls is not set";
  const own = isIP(host) !== 0 && kind !== "an unspecified address" ? [host] : addresses;
  const isPrivate = own.length > 0 && own.every((address) => refusalOf(address, false) !== null);
  return isPrivate ? "this machine has private addresses only" : null;
}

function judgeAllowed({ receive }: Settings): Finding {
  const { allowFrom, mode } = receive;
  const how = mode === "observe" ? " (receive.mode is observe: others are accepted too, and logged)" : "";
  if (allowFrom === "any") return ok("every address may send events");
  const networks = parseNetworks(allowFrom);
  const missing = PROVIDER_ADDRESSES.filter((address) => !networks.contains(address));
  if (missing.length === 0) return ok(`all of Wochit's published senders, as receive.allowFrom has them${how}`);
  return warning(
    `of Wochit's published senders receive.allowFrom lacks ${missing.join(", ")}${how}`,
    "add them, unless something else stands between",
  );
}

/** By the rules of the receiving route, without the token. */
function judgeRequest({ socket, forwardedFor }: Request, { receive, server }: Settings): Finding {
  const { allowFrom, mode } = receive;
  const trusted = parseNetworks(server.trustedProxies);
  const address = clientAddress(socket, forwardedFor, trusted);
  const from = `a request from ${socket}${forwardedFor === undefined ? "" : `, forwarded for ${forwardedFor},`}`;
  if (address === null) {
    return warning(`${from} is refused: its X-Forwarded-For cannot be read`, "see what the proxy writes there");
  }
  const isTrusted = forwardedFor === undefined || trusted.contains(socket);
  const said = `${from} has the sender ${address}${isTrusted ? "" : ` (${socket} is none of server.trustedProxies)`}`;
  if (allowFrom === "any" || parseNetworks(allowFrom).contains(address)) return ok(`${said}: allowed`);
  const observed = mode === "observe" ? ", but accepted: receive.mode is observe" : "";
  return warning(
    `${said}: not allowed${observed}`,
    isTrusted ? "add it to receive.allowFrom if it should be" : "add the proxy to server.trustedProxies if it is one",
  );
}
