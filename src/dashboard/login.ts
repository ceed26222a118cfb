import { Hono } from "hono";
import type { AdminEnv, Asking, Door } from "../admin/door.ts";
import type { Place } from "../admin/operation.ts";
import { tokenFileOf } from "../config/secrets.ts";
import { RelayError } from "../errors.ts";
import type { DeedVerb } from "../model/audit.ts";
import type { App } from "../platform/http/server.ts";
import { createLimitedLog } from "../platform/log/limited-log.ts";
import { environment } from "../platform/runtime.ts";
import { sleep } from "../platform/timing.ts";
import { readForm } from "./form.ts";
import { hidden } from "./parts/forms.ts";
import { type Assets, alone } from "./parts/frame.ts";
import { type Html, html, none } from "./parts/html.ts";
import { isOwnPath, withQuery } from "./parts/links.ts";
import { notice, noticeOf } from "./parts/notices.ts";
import { policyOf, preferenceOf } from "./request.ts";

/** How long an entry in the audit is waited for, in milliseconds: who comes in may come because nothing can be written. */
const PATIENCE = 1_000;

/** The largest form of a login, in bytes: a token fits a header. Reading a form takes time, and anyone may send this one. */
const MOST_BYTES = 2 ** 14;

/** Between two entries of refused logins in the audit, in milliseconds. */
const REFUSED_EVERY = 60_000;

/** How a person comes in, and goes: with a token of the relay, or by a link that logs in once. */
export function loginRoutes(place: Place, { door, assets }: { door: Door; assets: Assets }) {
  const { log, clock } = place.ports;
  const warn = createLimitedLog(log, clock);
  const { hostname } = environment();
  const app = new Hono<AdminEnv>();

  const send = (
    c: Asking,
    title: string,
    content: Html,
    status: 200 | 401 | 403 | 429 | 503 = 200,
  ): Response | Promise<Response> => {
    const theme = preferenceOf(c, "theme");
    const around = { theme: theme === "light" || theme === "dark" ? theme : null, assets } as const;
    const headers = { "content-security-policy": policyOf(place.config), "cache-control": "no-store" };
    return c.html(alone(title, content, around), status, headers);
  };

  /** `to`: where to go then. `said`: what was wrong with the last try. */
  function form(c: Asking, to: string, said: Html, status: 200 | 401 | 403 | 429 | 503) {
    const where =
      place.config.admin?.token == null
        ? html`It is on the relay's machine: <span class="id">sudo cat ${tokenFileOf(place.config.dataDir)}</span>`
        : html`It is the one of <span class="id">admin.token</span> in the relay's config.`;
    return send(
      c,
      "Log in",
      html`${said}<form class="card" method="post" action="/login"><h1>wochit-relay</h1><p class="soft">on ${hostname}</p>${hidden({ to })}<label for="token">Admin token<input id="token" name="token" type="password" autocomplete="current-password" required autofocus spellcheck="false" autocapitalize="off" aria-describedby="where"></label><p class="small soft" id="where">${where}</p><button class="primary">Log in</button></form>`,
      status,
    );
  }

  const pathOf = ({ req }: Asking): string => {
    const { pathname, search } = new URL(req.url);
    const path = pathname + search;
    return isOwnPath(path) ? path : "/";
  };

  const enter = (cookie: string, to: string): Response =>
    new Response(null, { status: 303, headers: { location: to, "set-cookie": cookie, "cache-control": "no-store" } });

  /** Best effort: who cannot be entered in the audit comes in nevertheless, to see why. */
  async function note(c: Asking, name: string | null, verb: DeedVerb, outcome: string, count: number | null = null) {
    const by = name === null ? door.addressOf(c) : `${name}@${door.addressOf(c)}`;
    const noted = place.store.noteDeed({ through: "dashboard", by }, { verb, subject: null, count, outcome });
    await Promise.race([noted.catch(() => {}), sleep(PATIENCE, clock)]);
  }

  let refused = 0;
  let refusedAt = Number.NEGATIVE_INFINITY;

  /** The audit grows by one entry a minute, however many tokens are tried: with how many there were since the last one. */
  async function noteRefused(c: Asking): Promise<void> {
    refused++;
    if (clock.elapsed() - refusedAt < REFUSED_EVERY) return;
    refusedAt = clock.elapsed();
    const count = refused;
    refused = 0;
    await note(c, null, "log in refused", "no token of this relay", count);
  }

  app.get("/login", async (c) => {
    const { once, to = "/", done, n = "" } = c.req.query();
    if (once !== undefined) {
      // A browser that loads an address before it is asked for, or a chat that looks whether it is there, would use it up.
      const isAsked = c.req.method === "GET" && !/prefetch|prerender/.test(c.req.header("sec-purpose") ?? "");
      if (!isAsked) return c.text("not yet", 503);
      const found = await door.loginOnce(c, once).catch(() => null);
      if (found === null) return new Response(null, { status: 303, headers: { location: "/login?done=once-used" } });
      await note(c, found.name, "log in", "done, by a link");
      return enter(found.cookie, "/");
    }
    const there = isOwnPath(to) ? to : "/";
    const isIn = done === undefined && (await door.visitor(c)) !== null;
    if (isIn) return new Response(null, { status: 303, headers: { location: there } });
    return form(c, there, noticeOf(done === undefined ? {} : { done, n }), 200);
  });

  app.post("/login", async (c) => {
    const { token = "", to = "/" } = await readForm(c.req.raw, MOST_BYTES).then(
      ({ fields }) => fields,
      (): Record<string, string> => ({}),
    );
    const there = isOwnPath(to) ? to : "/";
    const isForeign = c.req.header("sec-fetch-site") !== undefined && !door.isOwnOrigin(c);
    if (isForeign) return form(c, there, notice("bad", "That came from another page: log in here."), 403);
    const { cookie, isLate, name } = await door.login(c, token.trim());
    if (cookie !== null) {
      await note(c, name, "log in", "done");
      return enter(cookie, there);
    }
    warn("login refused", { from: door.addressOf(c), why: "its token is wrong" });
    await noteRefused(c);
    const words = isLate
      ? "This is no token of this relay. Many wrong ones came from your address, so each answer takes two seconds now; the right one is always taken."
      : "This is no token of this relay.";
    return form(c, there, notice("bad", words), isLate ? 429 : 401);
  });

  app.post("/logout", async (c) => {
    const visitor = await door.visitor(c);
    if (visitor?.session == null) return new Response(null, { status: 303, headers: { location: "/login" } });
    if (!door.isOwnOrigin(c)) return form(c, "/", notice("bad", "Another page asked for this."), 403);
    const cookie = await door.logout(c, visitor.session).catch((error) => {
      if (error instanceof RelayError) return null;
      throw error;
    });
    await note(c, visitor.name, "log out", cookie === null ? "not stored: the session ends by itself" : "done");
    return enter(cookie ?? door.clearing(c), "/login?done=logged-out");
  });

  app.post("/settings/log-out-everywhere", async (c) => {
    const visitor = await door.visitor(c);
    if (visitor?.session == null || visitor.can === "read") {
      return new Response(null, { status: 303, headers: { location: "/settings" } });
    }
    if (!door.isOwnOrigin(c)) return form(c, "/", notice("bad", "Another page asked for this."), 403);
    const many = await door.logoutAll().catch((error) => {
      if (error instanceof RelayError) return null;
      throw error;
    });
    if (many === null) {
      await note(c, visitor.name, "log out everywhere", "not stored: until a restart");
      return form(c, "/", notice("bad", NOT_STORED), 503);
    }
    await note(c, visitor.name, "log out everywhere", "done", many);
    return enter(door.clearing(c), `/login?done=logged-out-everywhere&n=${many}`);
  });

  return {
    routes: app as App,

    /**
     * Instead of a page, to who has not logged in. A link from elsewhere comes without the cookie, which is for this origin's
     * own requests (SameSite=Strict): then the page asks for itself once more, from here. `back`: where to go after a login.
     */
    wall(c: Asking, back = pathOf(c)): Response | Promise<Response> {
      const isFirst = c.req.method === "GET" && c.req.header("sec-fetch-site") === "cross-site";
      if (!isFirst) return form(c, back, none, 401);
      const again = html`<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=${back}"><title>wochit-relay</title><p><a href="${withQuery("/login", { to: back })}">Log in</a>`;
      return c.html(again, 200, { "content-security-policy": "default-src 'none'", "cache-control": "no-store" });
    },
  };
}

const NOT_STORED =
  "All sessions of this relay have ended, but the database could not take that in: after a restart they would go on. Log out everywhere once more when it can.";
