import type { HttpBindings } from "@hono/node-server";
import { type Handler, Hono } from "hono";
import type { Log } from "../domain.ts";
import { errorLine } from "../errors.ts";
import { errorAnswer } from "../platform/server.ts";

/** Everything the public listener answers. */
export function publicApp(
  routes: { receive: Hono<{ Bindings: HttpBindings }>; media: Handler; health: Hono },
  log: Log,
): Hono {
  const app = new Hono({ strict: false });
  app.route("/", routes.receive);
  app.get("/media/*", routes.media);
  app.route("/", routes.health);
  for (const path of ["/media/*", "/healthz", "/readyz"]) {
    app.all(path, () => errorAnswer("method_not_allowed", "this is only for reading", {}, { allow: "GET, HEAD" }));
  }
  app.notFound(() => errorAnswer("not_found", "nothing is here"));
  app.onError((error) => {
    log.error("request broke", { error: errorLine(error) });
    return errorAnswer("store_unavailable", "the relay could not answer; send it again");
  });
  return app;
}
