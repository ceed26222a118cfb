import assert from "node:assert/strict";
import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setImmediate as breathe, setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import type { ConfigInput } from "../../src/config/schema.ts";
import { openRelay, type Relay } from "../../src/relay.ts";
import { makeEvent } from "../../src/simulator/events.ts";
import { openProvider, type Provider } from "../../src/simulator/provider.ts";
import { sendEvent } from "../../src/simulator/send.ts";
import { configIn } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { testClock, testLog } from "../support/ports.ts";
import { type LinkOptions, linkMaker, type MediaRequest, recordRequests } from "../support/provider.ts";
import { seededRandom } from "../support/random.ts";
import { openReceiver, type Receiver } from "../support/receiver.ts";
import { isWhole } from "../support/whole.ts";

/** An event that was sent, and the link in it. */
export type Posted = { id: string; videoId: string; path: string; at: number; sha256: string; lifetime: number };

/** A relay, its provider and its application in a time that the test makes pass. */
export type Week = {
  provider: Provider;
  /** Every request for a medium, in the order in which it came. */
  requests: MediaRequest[];
  app: Receiver;
  configPath: string;
  mediaDir: string;
  now(): number;
  /** Starts the relay; without workers it takes events and does nothing else. */
  open(options?: { workers?: boolean }): Promise<void>;
  close(): Promise<void>;
  /** Sends an event about a new video with a link of this sort; `lifetime` in seconds. */
  post(videoId: string, link: LinkOptions): Promise<Posted>;
  /** Lets time pass, a step at a time, until all that is due at each has been done. */
  passUntil(until: number): Promise<void>;
  /** The folder of the copies goes away, and a file is in its place; or it comes back as it was. */
  setTargetDown(isDown: boolean): void;
};

/** What falls due meanwhile is late by no more than this. */
export const STEP = (isWhole ? 2 : 10) * 60_000;

/** So many looks in a row, at most, find a job that is due and not begun, or under way: then it waits for time to pass. */
const TICK = 100;
const PATIENCE = { due: 10, running: 500 };

/** After so many looks at what is under way the next ones are some milliseconds apart, so that it gets the processor. */
const AT_ONCE = 5;

/** Jobs that are under way, and those that are due: all but uploads, which are left alone while their target is down. */
const RUNNING = `SELECT EXISTS (SELECT 1 FROM media WHERE state = 'running')
  OR EXISTS (SELECT 1 FROM deliveries WHERE state = 'running')
  OR EXISTS (SELECT 1 FROM transfers WHERE running = 1) AS it`;
const DUE = `SELECT EXISTS (SELECT 1 FROM media WHERE due <= @now)
  OR EXISTS (SELECT 1 FROM deliveries WHERE settled_at IS NULL AND due <= @now) AS it`;

type Query = Database.Statement<[{ now: number }?], { it: number }>;

export async function openWeek(
  t: TestContext,
  start: number,
  config: (appUrl: string) => Pick<ConfigInput, "mirror" | "endpoints">,
): Promise<Week> {
  const dir = tempFolder(t);
  const clock = testClock(start);
  const random = seededRandom("week");
  const ports = { clock, random, log: testLog() };
  const provider = await openProvider({ clock, random });
  const requests = recordRequests(provider, clock);
  const linkTo = linkMaker(provider, clock);
  t.after(() => provider.close());
  const app = await openReceiver();
  t.after(() => app.close());
  const loaded = configIn(dir, {
    server: { listen: "127.0.0.1:0", publicUrl: "http://relay.test" },
    receive: { allowFrom: ["127.0.0.1"] },
    ...config(app.url),
  });
  const mediaDir = join(dir, "data", "media");
  let relay: Relay | null = null;
  let db: Database.Database | null = null;
  let queries: { running: Query; due: Query } | null = null;
  t.after(close);

  /** What needs real time, and no other. */
  function whatIsLeft(): keyof typeof PATIENCE | null {
    if (queries === null) return null;
    const isOpen = provider.media().some(({ counts }) => counts.open > 0);
    if (isOpen || queries.running.get()!.it === 1) return "running";
    return queries.due.get({ now: clock.now() })!.it === 1 ? "due" : null;
  }

  async function settle(): Promise<void> {
    let looks = 0;
    let last: keyof typeof PATIENCE | null = null;
    for (let calm = 0; calm < 2; ) {
      for (let turn = 0; turn < 5; turn++) await breathe();
      const left = whatIsLeft();
      calm = left === null ? calm + 1 : 0;
      looks = left === last ? looks + 1 : 0;
      if (left === "running" && looks > AT_ONCE) await sleep(2);
      last = left;
      if (left === null || looks < PATIENCE[left]) continue;
      await clock.advance(TICK);
      looks = 0;
    }
  }

  async function close(): Promise<void> {
    db?.close();
    db = queries = null;
    const closing = relay?.close();
    relay = null;
    let closed = false;
    void closing?.finally(() => {
      closed = true;
    });
    // It gives what is under way some time, which has to pass.
    while (closing && !closed) await clock.advance(100);
    await closing;
  }

  return {
    provider,
    requests,
    app,
    configPath: join(dir, "config.json"),
    mediaDir,
    now: clock.now,
    close,
    async open(options) {
      relay = await openRelay(loaded, ports, options);
      if (options?.workers === false) return;
      db = new Database(join(loaded.dataDir, "relay.db"), { readonly: true });
      queries = { running: db.prepare(RUNNING), due: db.prepare(DUE) };
      await settle();
    },
    async post(videoId, link) {
      const video = provider.addVideo(videoId);
      const videoUrl = linkTo(video, link);
      const { body } = makeEvent("video.ready", { random, videoId, context: videoId, videoUrl, thumbnailUrl: "" });
      const at = clock.now();
      const { status, json } = await sendEvent(relay!.url, body, { clock });
      assert.equal(status, 200);
      const { id } = json as { id: string };
      await settle();
      return { id, videoId, path: video.path, at, sha256: video.sha256, lifetime: link.lifetime * 1000 };
    },
    async passUntil(until) {
      while (clock.now() < until) {
        clock.set(Math.min(clock.now() + STEP, until));
        await clock.advance(0);
        await settle();
      }
    },
    setTargetDown(isDown) {
      const away = `${mediaDir}.away`;
      if (isDown) {
        if (existsSync(mediaDir)) renameSync(mediaDir, away);
        writeFileSync(mediaDir, "");
      } else {
        rmSync(mediaDir);
        renameSync(away, mediaDir);
      }
    },
  };
}
