import { isIP } from "node:net";
import { type Config, PROVIDER_ADDRESSES, parseListen } from "../../config/schema.ts";
import { clientAddress, parseNetworks, refusalOf } from "../../platform/net/addresses.ts";
import { type Finding, of, ok, type Probe, warning } from "../probe.ts";

/** The receiving route's own judgement of a request. */
export type JudgeSender = (request: Request) => { address: string; isAllowed: boolean };

/** A request that somebody wants to know about: the socket's address, then what X-Forwarded-For says. */
export type Request = { socket: string; forwardedFor: string | undefined };

/** Whom the relay would take senders for, and which of them it lets in. */
export function senderProbe(options: {
  config: Pick<Config, "server" | "receive">;
  /** Addresses of this machine. */
  addresses: string[];
  judge: JudgeSender;
  request: Request | null;
}): Probe {
  const { config, addresses, judge, request } = options;
  return {
    name: "senders",
    patience: null,
    run: async () => [
      of("proxies", judgeProxies(config, addresses)),
      of("allowed", judgeAllowed(config)),
      ...(request === null ? [] : [of("request", judgeRequest(request, judge, config))]),
    ],
  };
}

const SOMEBODY = ["8.8.8.8", "1.1.1.1", "2001:4860:4860::8888"];

function judgeProxies({ server, receive }: Pick<Config, "server" | "receive">, addresses: string[]): Finding {
  const { trustedProxies, listen, tls, publicUrl } = server;
  if (trustedProxies.length > 0) {
    const networks = parseNetworks(trustedProxies);
    const list = trustedProxies.join(", ");
    if (SOMEBODY.some((address) => networks.contains(address))) {
      return warning(
        `server.trustedProxies (${list}) holds strangers: any of them can say in X-Forwarded-For who he is`,
        "name the addresses of your proxies only",
      );
    }
    return ok(`X-Forwarded-For is believed of ${list}; of anybody else the socket's address counts`);
  }
  const said = "no server.trustedProxies: a sender is the socket's address";
  if (receive.allowFrom === "any") return ok(said);
  const advice = "name the load balancer's or proxy's addresses in server.trustedProxies, if there is one";
  const behind = "so behind a proxy every sender looks like that proxy, and is refused";
  const { host } = parseListen(listen)!;
  if (host === "localhost" || (isIP(host) !== 0 && refusalOf(host, false) === "a loopback address")) {
    return warning(`${said}; at ${listen} only this machine can connect, ${behind}`, advice);
  }
  if (publicUrl?.startsWith("https:") && tls === null) {
    return warning(`${said}; server.publicUrl is https and server.tls is not set, ${behind}`, advice);
  }
  const own = isIP(host) !== 0 && !isAnyAddress(host) ? [host] : addresses;
  if (own.length > 0 && own.every((address) => refusalOf(address, false) !== null)) {
    return warning(`${said}; this machine has private addresses only, ${behind}`, advice);
  }
  return ok(said);
}

function isAnyAddress(host: string): boolean {
  return refusalOf(host, false) === "an unspecified address";
}

function judgeAllowed({ receive }: Pick<Config, "receive">): Finding {
  const { allowFrom, mode } = receive;
  const how = mode === "observe" ? " (receive.mode is observe: others are let in too, and logged)" : "";
  if (allowFrom === "any") return ok("everybody may send events");
  const networks = parseNetworks(allowFrom);
  const missing = PROVIDER_ADDRESSES.filter((address) => !networks.contains(address));
  if (missing.length === 0) return ok(`all of Wochit's published senders, as receive.allowFrom has them${how}`);
  return warning(
    `of Wochit's published senders receive.allowFrom lacks ${missing.join(", ")}${how}`,
    "add them, unless something else stands between",
  );
}

function judgeRequest(
  request: Request,
  judge: JudgeSender,
  { receive, server }: Pick<Config, "receive" | "server">,
): Finding {
  const { socket, forwardedFor } = request;
  const { address, isAllowed } = judge(request);
  const from = `a request from ${socket}${forwardedFor === undefined ? "" : `, forwarded for ${forwardedFor},`}`;
  const trusted = parseNetworks(server.trustedProxies);
  if (clientAddress(socket, forwardedFor, trusted) === null) {
    return warning(`${from} is refused: its X-Forwarded-For cannot be read`, "see what the proxy writes there");
  }
  const isBelieved = forwardedFor === undefined || trusted.contains(socket);
  const why = isBelieved ? "" : ` (${socket} is none of server.trustedProxies)`;
  if (isAllowed) return ok(`${from} is one of ${address}${why}: allowed`);
  const observed = receive.mode === "observe" ? ", and let in all the same: receive.mode is observe" : "";
  return warning(
    `${from} is one of ${address}${why}: not allowed${observed}`,
    isBelieved ? "add it to receive.allowFrom if it should be" : "add the proxy to server.trustedProxies if it is one",
  );
}
