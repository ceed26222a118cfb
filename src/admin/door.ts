import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import { type AdminConfig, type Config, parseListen } from "../config/schema.ts";
import { clientAddress, holderOf, parseNetworks } from "../platform/net/addresses.ts";
import { isSameSecret } from "../platform/same-secret.ts";
import type { Session } from "../store/access/sessions.ts";
import { type Caller, callerOf, type createFailures, type Token } from "./auth.ts";
import { hostsIn, isServedHost, nameIn } from "./hosts.ts";
import type { Place } from "./operation.ts";
import { markOf, newLogin, type Sessions } from "./sessions.ts";

/** Who asks, by a token or (`session`) by a login. `by`: as the audit names them. */
export type Visitor = Caller & { by: string; session: Session | null };

export type AdminEnv = { Bindings: HttpBindings; Variables: { visitor: Visitor } };

// biome-ignore lint/suspicious/noExplicitAny: of a route with any path
export type Asking = Context<AdminEnv, any>;

export type Door = ReturnType<typeof createDoor>;

/** Who may come in at the admin listener, by which Host, token and cookie. `token` null: there is no token of the operator. */
export function createDoor(
  { admin, server }: Pick<Config, "server"> & { admin: AdminConfig },
  place: Pick<Place, "store" | "ports">,
  options: { token: string | null; failures: ReturnType<typeof createFailures>; sessions: Sessions },
) {
  const { failures, sessions } = options;
  const { clock } = place.ports;
  const trusted = parseNetworks(server.trustedProxies);
  const listen = parseListen(admin.listen)!.host;
  const own = admin.publicUrl === null ? null : new URL(admin.publicUrl);
  const names = own === null ? [] : [nameIn(own.host)!];
  const tokens: Token[] = [...admin.tokens];
  if (options.token !== null) tokens.unshift({ name: "admin", can: "operate", token: options.token });

  const hostOf = ({ env: { incoming } }: Asking): string => hostsIn(incoming.rawHeaders)[0] ?? "";

  const isFromProxy = ({ env: { incoming } }: Asking): boolean => trusted.contains(incoming.socket.remoteAddress ?? "");

  function addressOf({ env: { incoming } }: Asking): string {
    const socket = incoming.socket.remoteAddress;
    return clientAddress(socket, incoming.headers["x-forwarded-for"], trusted) ?? socket ?? "unknown";
  }

  /** Whether the browser came by https, here or at a proxy. */
  function isSecure(c: Asking): boolean {
    if (admin.tls !== null) return true;
    if (own?.protocol === "https:" && nameIn(hostOf(c)) === nameIn(own.host)) return true;
    return isFromProxy(c) && c.req.header("x-forwarded-proto")?.trim().toLowerCase() === "https";
  }

  /** Cookies do not know ports: two relays of one machine must not log each other out. */
  function cookieOf(c: Asking): string {
    const [, port = ""] = /:(\d+)$/.exec(hostOf(c)) ?? [];
    return `${isSecure(c) ? "__Host-" : ""}wochit-relay${port === "" ? "" : `-${port}`}`;
  }

  function writeCookie(c: Asking, id: string, seconds: number): string {
    const secure = isSecure(c) ? "; Secure" : "";
    return `${cookieOf(c)}=${id}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${secure}`;
  }

  async function begin(c: Asking, token: { name: string; mark: string }): Promise<string> {
    const now = clock.now();
    const { id, session } = await sessions.begin(token, { store: place.store, address: addressOf(c), now });
    return writeCookie(c, id, Math.floor((session.expiresAt - now) / 1000));
  }

  return {
    addressOf,
    /** Null: its Host is served; else all that it named. */
    strangeHosts(c: Asking): string[] | null {
      const hosts = hostsIn(c.env.incoming.rawHeaders);
      return isServedHost(hosts, listen, names) ? null : hosts;
    },

    /** By its Authorization header, or, where it has none, by its cookie; null: by neither. */
    async visitor(c: Asking): Promise<Visitor | null> {
      const header = c.req.header("authorization");
      const at = addressOf(c);
      if (header !== undefined) {
        const caller = callerOf(header, tokens);
        return caller && { ...caller, by: `${caller.name}@${at}`, session: null };
      }
      const id = readCookie(c.req.header("cookie"), cookieOf(c));
      if (id === null) return null;
      const found = await sessions.find(id, { store: place.store, tokens, now: clock.now() });
      return found && { ...found, by: `${found.name}@${at}` };
    },

    /**
     * Whether a change comes from a page of this listener (CSRF): by what the browser says of it, or, of an older one, by its
     * Origin. A cookie alone proves nothing, whatever the type of the body.
     */
    isOwnOrigin(c: Asking): boolean {
      const site = c.req.header("sec-fetch-site");
      if (site !== undefined) return site === "same-origin";
      const origin = c.req.header("origin");
      if (origin === undefined || !URL.canParse(origin)) return false;
      const { host, origin: from } = new URL(origin);
      return host === hostOf(c).toLowerCase() || from === own?.origin;
    },

    /** The cookie of a new session; null: the token is none of this relay's. `isLate`: too many came from there. */
    async login(c: Asking, given: string): Promise<{ cookie: string | null; isLate: boolean; name: string | null }> {
      const [found] = tokens.filter(({ token }) => isSameSecret(given, token));
      if (found !== undefined) {
        const cookie = await begin(c, { name: found.name, mark: markOf(found.token) });
        return { cookie, isLate: false, name: found.name };
      }
      const isLate = await failures(holderOf(addressOf(c)), c.req.raw.signal);
      return { cookie: null, isLate, name: null };
    },

    /** The same by the code of a link; null: it was used, or has expired, or its token is another one now. */
    async loginOnce(c: Asking, code: string): Promise<{ cookie: string; name: string } | null> {
      const link = await sessions.take(code, place.store);
      const isValid = tokens.some(({ name, token }) => name === link?.token && markOf(token) === link.mark);
      if (link === null || !isValid) return null;
      return { cookie: await begin(c, { name: link.token, mark: link.mark }), name: link.token };
    },

    /** The code of a link that logs in once, as the operator, within `life` milliseconds; null: there is no token. */
    async offerLogin(life: number): Promise<string | null> {
      const token = tokens.find(({ can }) => can === "operate");
      if (token === undefined) return null;
      const { code, link } = newLogin(token, place.ports.random, clock.now() + life);
      await place.store.offerLogin(link);
      return code;
    },

    /** Ends a session, and answers the cookie that takes it out of the browser. */
    async logout(c: Asking, session: Session): Promise<string> {
      await sessions.end(session, place.store);
      return writeCookie(c, "", 0);
    },

    /** The cookie that takes a session out of the browser, whatever becomes of it here. */
    clearing: (c: Asking): string => writeCookie(c, "", 0),

    /** Ends all of them; resolves with how many there were. */
    logoutAll: (): Promise<number> => sessions.endAll(place.store, place.ports.clock.now()),

    /** Slows down who guesses tokens. */
    fail: (c: Asking): Promise<boolean> => failures(holderOf(addressOf(c)), c.req.raw.signal),
  };
}

/** The value of a cookie by its exact name; null: there is none. */
function readCookie(header: string | undefined, name: string): string | null {
  for (const one of header?.split(";") ?? []) {
    const at = one.indexOf("=");
    if (one.slice(0, at).trim() === name) return one.slice(at + 1).trim() || null;
  }
  return null;
}
