import { Hono } from "hono";
import { compress } from "hono/compress";
import type { Dashboard } from "../admin/app.ts";
import type { AdminEnv, Asking, Door, Visitor } from "../admin/door.ts";
import type { Place } from "../admin/operation.ts";
import { errorLine, RelayError } from "../errors.ts";
import { environment } from "../platform/runtime.ts";
import { auditedStore } from "../store/access/audited.ts";
import { openAssets } from "./assets/table.ts";
import { readForm } from "./form.ts";
import type { Live } from "./live.ts";
import { loginRoutes } from "./login.ts";
import { type Act, addressOf, goTo, type Page, requireOperator, type View, type Visit } from "./page.ts";
import { errorView, unknownView } from "./pages/errors.ts";
import { acts, pages } from "./pages/table.ts";
import { frame, type Section } from "./parts/frame.ts";
import { noticeOf } from "./parts/notices.ts";
import { createTimes, zoneOf } from "./parts/times.ts";
import { policyOf, preferenceOf } from "./request.ts";
import { createSummary } from "./summary.ts";

/**
 * The pages for people, on the admin listener. Each asks for a login; each change for its own origin (CSRF) and a token that
 * may change something.
 */
export function createDashboard(place: Place, { door, live }: { door: Door; live: Live }): Dashboard {
  const { log, clock } = place.ports;
  const app = new Hono<AdminEnv>();
  const assets = openAssets();
  const summary = createSummary(clock);
  const { hostname } = environment();
  const login = loginRoutes(place, { door, assets: assets.addresses });

  const visitOf = (c: Asking, visitor: Visitor, from: Place = place): Visit => {
    const { searchParams } = new URL(c.req.url);
    return {
      place: from,
      path: c.req.param() as Record<string, string>,
      query: Object.fromEntries([...searchParams].filter(([, value]) => value !== "")),
      all: (name) => searchParams.getAll(name).filter((value) => value !== ""),
      times: createTimes(clock.now(), zoneOf(preferenceOf(c, "tz"))),
      summary: () => summary(place),
      visitor,
      can: visitor.can,
      request: c.req.raw,
      outgoing: c.env?.outgoing,
    };
  };

  /** What a page is sent as. */
  async function send(c: Asking, view: View, visit: Visit, section: Section | null): Promise<Response> {
    const theme = preferenceOf(c, "theme");
    const { q } = visit.query;
    const markup = frame(
      { notice: noticeOf(visit.query), ...view },
      {
        section,
        waiting: await summary(place).then(
          ({ waiting }) => waiting,
          () => null,
        ),
        zone: visit.times.zone,
        theme: theme === "light" || theme === "dark" ? theme : null,
        version: place.version,
        host: hostname,
        session: visit.visitor.session,
        find: section === null && c.req.path === "/find" ? (q ?? "") : "",
        assets: assets.addresses,
      },
    );
    const origins = view.hasCopies ? await place.copies().origins() : [];
    const headers = { "content-security-policy": policyOf(place.config, origins), "cache-control": "no-store" };
    return c.html(markup, view.status ?? 200, headers);
  }

  /** A page that says an error, in the words of the action. */
  function sendError(c: Asking, error: unknown, visit: Visit, section: Section | null, back?: string) {
    if (!(error instanceof RelayError) && !c.req.raw.signal.aborted) {
      log.error("a page of the dashboard broke", { path: c.req.path, error: errorLine(error) });
    }
    return send(c, errorView(error, visit, place.troubles(), back), visit, section);
  }

  async function show(c: Asking, { show, section }: Page): Promise<Response> {
    const visitor = await door.visitor(c);
    if (visitor === null) return login.wall(c);
    const visit = visitOf(c, visitor);
    try {
      const shown = await show(visit);
      return shown instanceof Response ? shown : await send(c, shown, visit, section);
    } catch (error) {
      return sendError(c, error, visit, section);
    }
  }

  async function perform(c: Asking, { run, page }: Act): Promise<Response> {
    const visitor = await door.visitor(c);
    const back = page(c.req.param() as Record<string, string>);
    if (visitor === null) return login.wall(c, back);
    const actor = { through: "dashboard", by: visitor.by } as const;
    const visit = visitOf(c, visitor, { ...place, store: auditedStore(place.store, actor) });
    const section = pages.find(({ path }) => path === `/${back.split("/")[1]}`)?.section ?? null;
    try {
      if (visitor.session !== null && !door.isOwnOrigin(c)) throw new RelayError("forbidden", FOREIGN);
      requireOperator(visit);
      const done = await run(visit, await readForm(c.req.raw)).finally(() => place.wake());
      if (done instanceof Response) return done;
      return "to" in done ? goTo(addressOf(done)) : await send(c, done, visit, section);
    } catch (error) {
      return sendError(c, error, visit, section, back);
    }
  }

  app.get("/assets/:name", compress(), (c) => assets.answer(c.req.param("name")) ?? c.text("not here", 404));
  app.get("/live", async (c) => {
    const { session } = (await door.visitor(c)) ?? { session: null };
    const { store } = place;
    const mark = async () => {
      const [others, { writes }] = await Promise.all([store.changeMark(), store.commits()]);
      const { state, startedAt } = place.doctor.report();
      return `${others} ${writes.sum} ${state} ${startedAt}`;
    };
    return (session && live.open(session, mark)) ?? c.text("no stream for this", session === null ? 401 : 503);
  });
  app.route("/", login.routes);
  for (const page of pages) app.get(page.path, compress(), (c) => show(c, page));
  for (const one of acts) {
    app.post(one.path, compress(), (c) => perform(c, one));
    if (pages.some(({ path }) => path === one.path)) continue;
    // The address of a form that is asked for again as a page.
    app.get(one.path, (c) => goTo(one.page(c.req.param() as Record<string, string>)));
  }

  return {
    routes: app,
    async unknown(c) {
      const visitor = await door.visitor(c);
      if (visitor === null) return login.wall(c);
      return send(c, unknownView(c.req.path), visitOf(c, visitor), null);
    },
  };
}

const FOREIGN = "a page of another origin asked for this change: it was not made";
