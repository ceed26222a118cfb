import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { secureHeaders } from "hono/secure-headers";
import * as v from "valibot";
import type { AdminConfig, Config } from "../config/schema.ts";
import { parseListen } from "../config/schema.ts";
import { type ErrorCode, errorLine, RelayError } from "../errors.ts";
import type { Deed } from "../model/audit.ts";
import { type App, errorAnswer } from "../platform/http/server.ts";
import { createLimitedLog } from "../platform/log/limited-log.ts";
import { clientAddress, holderOf, parseNetworks } from "../platform/net/addresses.ts";
import { auditedStore } from "../store/audited.ts";
import { operations } from "./api/table.ts";
import { type Caller, callerOf, type createFailures, type Token } from "./auth.ts";
import { check, Misfit, membersOf, readJson } from "./check.ts";
import { hostsIn, isServedHost, nameIn } from "./hosts.ts";
import { API, type Operation, type Place, routeOf } from "./operation.ts";

type Env = { Bindings: HttpBindings; Variables: { caller: Caller } };

const ROOT = `This is the admin listener of wochit-relay.

${API} answers JSON, to "Authorization: Bearer <token>"; the token is in the config (admin.token), else in the file
admin-token of the data folder. /openapi.json describes each operation.
`;

/**
 * Everything the admin listener answers (CONTRACT, "Admin listener"). A request passes, in this order: its Host, its token,
 * whether that token may, its query and body. `token` null: there is none, and all that needs one is refused. `pages`: what
 * else is answered to a token that may read.
 */
export function createAdminApp(
  config: Pick<Config, "server"> & { admin: AdminConfig },
  place: Place,
  options: { token: string | null; failures: ReturnType<typeof createFailures>; pages: App },
): App {
  const { admin, server } = config;
  const { clock, log } = place.ports;
  const trusted = parseNetworks(server.trustedProxies);
  const listen = parseListen(admin.listen)!.host;
  const names = admin.publicUrl === null ? [] : [nameIn(new URL(admin.publicUrl).host)!];
  const tokens: Token[] = [...admin.tokens];
  if (options.token !== null) tokens.unshift({ name: "admin", can: "operate", token: options.token });
  const warn = createLimitedLog(log, clock);

  const addressOf = ({ env: { incoming } }: Context<Env>): string => {
    const socket = incoming.socket.remoteAddress;
    return clientAddress(socket, incoming.headers["x-forwarded-for"], trusted) ?? socket ?? "unknown";
  };

  const app = new Hono<Env>({ strict: false });
  // HSTS binds the host's other ports, too: the public listener may speak plain HTTP.
  app.use(secureHeaders({ ...HEADERS, strictTransportSecurity: false }));
  app.use(async (c, next) => {
    await next();
    c.res.headers.set("cache-control", "no-store");
  });

  app.use(async (c, next) => {
    const hosts = hostsIn(c.env.incoming.rawHeaders);
    if (!isServedHost(hosts, listen, names)) {
      warn("admin request refused", { from: addressOf(c), why: "its Host is not this machine", hosts });
      const message = "this Host is not served: ask by a loopback name, or set admin.publicUrl";
      return errorAnswer("forbidden", message);
    }
    return next();
  });

  app.get("/", (c) => c.text(ROOT));

  app.use(async (c, next) => {
    const header = c.req.header("authorization");
    const caller = callerOf(header, tokens);
    if (caller === null) return refuse(c, header !== undefined);
    if (caller.can === "read" && c.req.method !== "GET" && c.req.method !== "HEAD") {
      return errorAnswer("forbidden", `the token "${caller.name}" may read only`);
    }
    c.set("caller", caller);
    return next();
  });

  async function refuse(c: Context<Env>, isWrong: boolean): Promise<Response> {
    const address = addressOf(c);
    if (isWrong) warn("admin request refused", { from: address, why: "its token is wrong" });
    if (isWrong && (await options.failures(holderOf(address), c.req.raw.signal))) {
      const message = "too many wrong tokens came from this address";
      return errorAnswer("too_many_requests", message, {}, { "retry-after": "2" });
    }
    const message = "this needs the header Authorization: Bearer <token>, with a token of this relay";
    return errorAnswer("unauthorized", message, {}, { "www-authenticate": 'Bearer realm="wochit-relay"' });
  }

  app.get("/openapi.json", async (c) => {
    const { describeApi } = await import("./document.ts");
    return c.json(describeApi(admin.publicUrl));
  });
  app.route("/", options.pages);
  for (const one of operations) {
    app.on(one.method, routeOf(one), (c) => run(one, c, place, { by: `${c.get("caller").name}@${addressOf(c)}` }));
  }
  for (const [path, methods] of methodsOf(operations)) {
    app.all(path, () => errorAnswer("method_not_allowed", `this takes ${methods}`, {}, { allow: methods }));
  }
  app.notFound(() => errorAnswer("not_found", "nothing is here; /openapi.json lists what is"));
  app.onError((error, c) => {
    if (error instanceof Misfit) return errorAnswer(error.code, error.message, { details: error.details });
    if (error instanceof RelayError) {
      return errorAnswer(codeFor(error.code, c.req.method), errorLine(error));
    }
    if (!c.req.raw.signal.aborted) log.error("admin request broke", { path: c.req.path, error: errorLine(error) });
    return errorAnswer("internal", "the relay could not answer: see its log");
  });
  return app;
}

/** Of an operation without parameters. */
const NOTHING = v.strictObject({});

const HEADERS = {
  contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"] },
  xFrameOptions: "DENY",
};

async function run(one: Operation, c: Context<Env>, place: Place, { by }: { by: string }): Promise<Response> {
  const given = membersOf(new URL(c.req.url).searchParams);
  const query = check(one.query ?? NOTHING, given, "invalid_query");
  const body = one.body === undefined ? {} : check(one.body, await readJson(c.req.raw.body), "bad_request");
  const path = c.req.param() as Record<string, string>;
  const actor = { through: "api", by } as const;
  const note = (deed: Deed) => place.store.noteDeed(actor, deed);
  const asked = { path, query, body, caller: c.get("caller"), note, signal: c.req.raw.signal };
  const isReading = one.method === "GET";
  const from = isReading ? place : { ...place, store: auditedStore(place.store, actor) };
  const answer = await one.run(asked, from).finally(() => {
    if (!isReading) place.wake();
  });
  return answer instanceof Response ? answer : c.json(answer as object);
}

/** What an action calls wrong usage is, here, a wrong request. */
function codeFor(code: ErrorCode, method: string): ErrorCode {
  if (code !== "usage") return code;
  return method === "POST" ? "bad_request" : "invalid_query";
}

function methodsOf(all: Operation[]): Map<string, string> {
  const methods = new Map<string, string>();
  for (const one of all) {
    const at = routeOf(one);
    const { method } = one;
    const known = methods.get(at);
    const names = method === "GET" ? "GET, HEAD" : method;
    methods.set(at, known === undefined ? names : `${known}, ${names}`);
  }
  return methods;
}
