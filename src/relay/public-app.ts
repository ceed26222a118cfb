import type { HttpBindings } from "@hono/node-server";
import { type Context, type Handler, Hono } from "hono";
import { errorLine } from "../errors.ts";
import { type App, errorAnswer, type Gate } from "../platform/http/server.ts";
import type { Log } from "../ports.ts";
import type { Receive } from "../receive/route.ts";

type Env = { Bindings: HttpBindings };

/** What the public listener serves: the app, and who may send, which it asks before a request can be read. */
export type Door = { app: App; gate: Gate };

/** Everything the public listener answers. */
export function openDoor(
  { receive, media, health }: { receive: Receive; media: Handler; health: Hono },
  log: Log,
): Door {
  const app = new Hono<Env>({ strict: false });
  app.route("/", receive.routes);
  app.on(["GET", "OPTIONS"], "/media/*", media);
  app.route("/", health);
  for (const path of ["/media/*", "/healthz", "/readyz"]) {
    app.all(path, async (c: Context<Env>) => {
      await receive.unserved.report(c.env.incoming, "method");
      return errorAnswer("method_not_allowed", "this is only for reading", {}, { allow: "GET, HEAD" });
    });
  }
  app.notFound(async (c) => {
    await receive.unserved.report(c.env.incoming, "path");
    return errorAnswer("not_found", "nothing is here");
  });
  app.onError((error) => {
    log.error("request broke", { error: errorLine(error) });
    return errorAnswer("store_unavailable", "the relay could not answer; send it again");
  });
  return { app, gate: receive.unserved.gate };
}
