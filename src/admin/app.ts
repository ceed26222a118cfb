import { Hono } from "hono";
import { secureHeaders } from "hono/secure-headers";
import * as v from "valibot";
import type { AdminConfig } from "../config/schema.ts";
import { type ErrorCode, errorLine, RelayError } from "../errors.ts";
import type { Actor, Deed } from "../model/audit.ts";
import { type App, errorAnswer } from "../platform/http/server.ts";
import { createLimitedLog } from "../platform/log/limited-log.ts";
import { auditedStore } from "../store/access/audited.ts";
import { operations } from "./api/table.ts";
import { check, Misfit, membersOf, readJson } from "./check.ts";
import type { AdminEnv, Asking, Door, Visitor } from "./door.ts";
import { type Operation, type Place, routeOf } from "./operation.ts";

/** The pages for people. `unknown` answers a browser that asks for what is not there, or has not logged in. */
export type Dashboard = { routes: App; unknown(c: Asking): Response | Promise<Response> };

/**
 * Everything the admin listener answers (CONTRACT, "Admin listener"). A request passes, in this order: its Host, its token or
 * login, whether that may, its query and body. `pages`: what else is answered to a token that may read.
 */
export function createAdminApp(
  admin: AdminConfig,
  place: Place,
  { door, pages, dashboard }: { door: Door; pages: App; dashboard: Dashboard },
): App {
  const { clock, log } = place.ports;
  const warn = createLimitedLog(log, clock);

  const app = new Hono<AdminEnv>({ strict: false });
  // Without any referrer forms of older browsers would not say their origin. HSTS binds the host's other ports, too: the public listener may speak plain HTTP.
  app.use(secureHeaders({ xFrameOptions: "DENY", strictTransportSecurity: false, referrerPolicy: "same-origin" }));
  app.use(async (c, next) => {
    await next();
    const { headers } = c.res;
    if (!headers.has("content-security-policy")) headers.set("content-security-policy", NOTHING_BUT_TEXT);
    if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
  });

  app.use(async (c, next) => {
    const hosts = door.strangeHosts(c);
    if (hosts === null) return next();
    warn("admin request refused", { from: door.addressOf(c), why: "its Host is not this machine", hosts });
    return errorAnswer("forbidden", "this Host is not served: ask by a loopback name, or set admin.publicUrl");
  });

  app.route("/", dashboard.routes);

  app.use(async (c, next) => {
    const visitor = await door.visitor(c);
    if (visitor === null) return refuse(c, c.req.header("authorization") !== undefined);
    if (c.req.method !== "GET" && c.req.method !== "HEAD") {
      if (visitor.can === "read") return errorAnswer("forbidden", `the token "${visitor.name}" may read only`);
      if (visitor.session !== null && !door.isOwnOrigin(c)) {
        return errorAnswer("forbidden", "a page of another origin asked for this change: it was not made");
      }
    }
    c.set("visitor", visitor);
    return next();
  });

  async function refuse(c: Asking, isWrong: boolean): Promise<Response> {
    if (!isWrong && isBrowsing(c)) return dashboard.unknown(c);
    if (isWrong) warn("admin request refused", { from: door.addressOf(c), why: "its token is wrong" });
    if (isWrong && (await door.fail(c))) {
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
  app.route("/", pages);
  for (const one of operations) {
    app.on(one.method, routeOf(one), (c) => run(one, c, place, c.get("visitor")));
  }
  for (const [path, methods] of methodsOf(operations)) {
    app.all(path, () => errorAnswer("method_not_allowed", `this takes ${methods}`, {}, { allow: methods }));
  }
  app.notFound((c) =>
    isBrowsing(c) ? dashboard.unknown(c) : errorAnswer("not_found", "nothing is here; /openapi.json lists what is"),
  );
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

/** Of answers that are no pages. */
const NOTHING_BUT_TEXT = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";

/** A browser shows the answer to a person. */
const isBrowsing = ({ req }: Asking): boolean =>
  req.method === "GET" && !req.path.startsWith("/api/") && (req.header("accept") ?? "").includes("text/html");

async function run(one: Operation, c: Asking, place: Place, visitor: Visitor): Promise<Response> {
  const given = membersOf(new URL(c.req.url).searchParams);
  const query = check(one.query ?? NOTHING, given, "invalid_query");
  const body = one.body === undefined ? {} : check(one.body, await readJson(c.req.raw.body), "bad_request");
  const path = c.req.param() as Record<string, string>;
  const { by, session } = visitor;
  const actor: Actor = { through: session === null ? "api" : "dashboard", by };
  const note = (deed: Deed) => place.store.noteDeed(actor, deed);
  const asked = { path, query, body, caller: visitor, note, signal: c.req.raw.signal };
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
