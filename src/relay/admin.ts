import { Hono } from "hono";
import { ADMIN_CLOSED } from "../actions/relay/ready.ts";
import { createFailures } from "../admin/auth.ts";
import { createDoor, type Door } from "../admin/door.ts";
import type { Place, ProcessFacts, StorePlace } from "../admin/operation.ts";
import { createSessions } from "../admin/sessions.ts";
import { readOrMakeToken } from "../admin/token-file.ts";
import { type AdminConfig, type Config, parseListen } from "../config/schema.ts";
import { tokenFileOf, warnIfShort } from "../config/secrets.ts";
import { createLive } from "../dashboard/live.ts";
import { errorLine } from "../errors.ts";
import { originOf } from "../links/durable-link.ts";
import { type App, errorAnswer, type Listener, type ListenOptions, listen } from "../platform/http/server.ts";
import { readTls } from "../platform/http/tls-files.ts";
import type { Ports } from "../ports.ts";
import { type Doubling, doublingWait } from "../rules/schedule.ts";
import type { Taken } from "./changes.ts";

/** A port that is taken is tried again: nothing of the relay's own work depends on this listener. */
const LISTEN_AGAIN: Doubling = { first: 1_000, longest: 60_000 };

/** A handful of people and monitors. Answers may have some megabytes, which who does not read them holds in memory. */
const LIMITS: ListenOptions = { atMost: 256, forStrangers: 224, openShare: 128, stalledReaders: 32 };

/**
 * What the API and the pages are made of is loaded so long after the listener has opened, or with the first request, in
 * milliseconds: it takes as long as all that the webhook needs, and what comes in at a start would wait for it.
 */
const LOAD_AFTER = 1_000;

/** Time for answers under way when the listener moves, in milliseconds. */
const MOVE_GRACE = 3_000;

const TOKEN_WAS_OPEN =
  "other users of this machine could read the admin token until now: they may know it; remove the file and reload, which makes another";

export type Admin = {
  /** From now on requests are answered from this place; the first call opens the listener. */
  serve(place: StorePlace): Promise<void>;
  /**
   * Gets ready for another config, which `take` applies, and adds to the outcome; else `drop` forgets it. Rejects where its certificate cannot be used, or
   * another address cannot be listened on.
   */
  prepare(next: Config): Promise<{ take(config: Config, outcome: Taken): void; drop(): Promise<void> }>;
  /** "host:port" that is listened on; null: it does not listen. */
  address(): string | null;
  /** That it does not listen although the config wants it, and why; nothing where it does, or is not to. */
  troubles(): string[];
  /** An address of the dashboard that logs in once, within `life` milliseconds; null: there is none now. */
  loginLink(life: number): Promise<string | null>;
  close(grace: number): Promise<void>;
};

/** The admin listener, which stays open while the store behind it comes and goes. */
export function createAdmin(
  given: Config,
  { facts, ports, pages }: { facts: ProcessFacts; ports: Ports; pages: App },
): Admin {
  const { clock, log } = ports;
  let place: StorePlace | null = null;
  /** What is kept in the store has its times by the clock that goes with that. */
  const now = () => (place?.ports.clock ?? clock).now();
  const failures = createFailures(clock);
  const live = createLive(clock);
  const sessions = createSessions({ ...ports, clock: { ...clock, now } }, live.end);
  let config = given;
  /** Makes the app, once; null: there is none now. */
  let app: (() => Promise<App>) | null = null;
  let door: Door | null = null;
  /** Of the data folder, as it was read last; null: the config has one, or there is none. */
  let kept: string | null = null;
  let listener: Listener | null = null;
  let attempts = 0;
  let trouble = "";
  let cancel = () => {};
  let cancelLoading = () => {};
  let isClosed = false;

  const front: App = new Hono();
  front.all("*", async (c) => {
    if (app === null) return errorAnswer("store_unavailable", "the relay is starting");
    return (await app()).fetch(c.req.raw, c.env);
  });

  const open = (admin: AdminConfig) =>
    listen(front, { ...parseListen(admin.listen)!, tls: admin.tls }, clock, { ...LIMITS, log });

  /** The token of the data folder, where the config has none; null: there is none. */
  function ownToken({ token }: AdminConfig): string | null {
    if (token !== null) return token;
    try {
      const { token, path, isNew, wasOpen } = readOrMakeToken(config.dataDir, ports.random);
      if (isNew) log.info("a token for the admin listener was made", { file: path });
      if (wasOpen) log.warn(TOKEN_WAS_OPEN, { file: path });
      for (const warning of warnIfShort(path, token)) log.warn(warning);
      kept = token;
      return token;
    } catch (error) {
      log.error("the admin listener has no token", { error: errorLine(error) });
      return null;
    }
  }

  function replaceApp(): void {
    kept = null;
    const { admin } = config;
    if (admin === null || place === null) return;
    const token = ownToken(admin);
    const now = place;
    const whole: Place = {
      ...now,
      ...facts,
      // The config that holds, also after a reload.
      get config() {
        return now.config;
      },
    };
    const own = createDoor({ ...config, admin }, whole, { token, failures, sessions });
    let made: App | null = null;
    door = own;
    app = async () => {
      if (made !== null) return made;
      const [{ createAdminApp }, { createDashboard }] = await Promise.all([
        import("../admin/app.ts"),
        import("../dashboard/app.ts"),
      ]);
      made ??= createAdminApp(admin, whole, {
        door: own,
        pages,
        dashboard: createDashboard(whole, { door: own, live }),
      });
      return made;
    };
  }

  function opened(admin: AdminConfig, next: Listener): void {
    listener = next;
    attempts = 0;
    trouble = "";
    const { host, port } = next;
    const token = admin.token === null ? tokenFileOf(config.dataDir) : "admin.token";
    log.info("admin listening", { url: originOf(admin, host, port), token });
  }

  /** Listens, or tries again later. */
  async function tryToListen(): Promise<void> {
    const { admin } = config;
    if (admin === null || listener !== null || isClosed) return;
    try {
      const next = await open(admin);
      // A reload, or the stop, was quicker.
      if (isClosed || listener !== null || config.admin !== admin) return await next.close(0);
      opened(admin, next);
    } catch (error) {
      const line = errorLine(error);
      if (line !== trouble) log.error("the admin listener cannot be opened: it is tried again", { error: line });
      trouble = line;
      cancel = clock.after(doublingWait(++attempts, LISTEN_AGAIN), () => void tryToListen());
    }
  }

  /** Whether a listener that is open can take another config, or has to be opened anew. */
  const isMoved = (next: AdminConfig) =>
    listener === null || config.admin?.listen !== next.listen || (config.admin.tls === null) !== (next.tls === null);

  return {
    async serve(next) {
      place = next;
      replaceApp();
      await tryToListen();
      cancelLoading();
      cancelLoading = clock.after(LOAD_AFTER, () => void app?.().catch(() => {}));
    },

    async prepare({ admin }) {
      const pair = admin?.tls ? readTls(admin.tls, "admin.tls") : null;
      const next = admin !== null && isMoved(admin) ? await open(admin) : null;
      let isTaken = false;
      return {
        take(taken, outcome) {
          isTaken = true;
          config = taken;
          // Their tokens may have ended; pages whose login holds come again.
          live.end(null);
          // Turned on again, it must not begin with the tokens of before.
          if (admin === null) app = null;
          if (pair !== null && next === null) listener?.renewTls(pair);
          if (admin === null || next !== null) {
            cancel();
            void listener?.close(MOVE_GRACE);
            listener = null;
          }
          if (admin !== null && next !== null) opened(admin, next);
          const before = kept;
          replaceApp();
          // Its file is none of the config's, and the one of before opens nothing now.
          if (before !== null && kept !== null && kept !== before) outcome.changed.push("admin-token");
          outcome.warnings.push(...warnIfShort(tokenFileOf(config.dataDir), kept));
        },
        drop: async () => (isTaken ? undefined : next?.close(0)),
      };
    },

    address: () => (listener === null ? null : `${listener.host}:${listener.port}`),

    troubles: () =>
      config.admin === null || listener !== null || trouble === "" ? [] : [`${ADMIN_CLOSED}: ${trouble}`],

    async loginLink(life) {
      const { admin } = config;
      if (admin === null || listener === null || door === null) return null;
      const code = await door.offerLogin(life);
      return code && `${originOf(admin, listener.host, listener.port)}/login?once=${code}`;
    },

    async close(grace) {
      isClosed = true;
      cancel();
      cancelLoading();
      place?.feedWaits.end();
      live.end(null);
      await listener?.close(grace);
    },
  };
}
