import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expiryAt, nothingPruned } from "../../../src/model/retention.ts";
import type { Clock } from "../../../src/ports.ts";
import { databaseOf } from "../../../src/store/backup.ts";
import { openStore } from "../../../src/store/open.ts";
import { giveBackInPieces, pruneInPieces, roomToLeave } from "../../../src/store/retention.ts";
import type { Store } from "../../../src/store/store.ts";
import { configIn, endpoint } from "../config.ts";
import { answered } from "../outcomes.ts";
import { testPorts } from "../ports.ts";
import { openStored } from "../stored.ts";

export type YearOptions = {
  days: number;
  /** Events of a day. */
  events: number;
  /** Days that bodies, and attempts, are kept. */
  bodies: number;
  attempts: number;
  /** Bytes that are added to each body. */
  padding: number;
};

const DAY = 86_400_000;
const MIB = 2 ** 20;

/** Events that share a commit. */
const AT_ONCE = 128;

/** Growth of the file after the window, as a share of what it was at its end, that is not of the ledger. */
const MOST_GROWTH = 0.05;

/** What becomes of a video: one draft, autosaves, an exit, and a film; every twentieth is deleted. */
const LIFE = ["draft.new", ...Array.from({ length: 12 }, () => "draft.update"), "draft.exit", "video.ready"];

type Day = { day: number; bytes: number; used: number; ms: number };

/**
 * Years of a store in minutes: each day so many events come in and are delivered, and then what has expired is pruned and given
 * back, as the relay does it. A problem is a file that grows after the window by more than its ledger, or a ledger event that
 * is not as it was.
 */
export async function runYear(
  options: YearOptions,
  onDay: (line: string) => void = () => {},
): Promise<{ summary: string; problems: string[]; folder: string; days: Day[] }> {
  const folder = await mkdtemp(join(tmpdir(), "wochit-relay-year-"));
  const config = configIn(folder, {
    endpoints: [endpoint("app")],
    mirror: { enabled: false },
    retention: { bodies: `${options.bodies}d`, attempts: `${options.attempts}d` },
  });
  const clock = calendar();
  const store = await openStore(config, { ...testPorts(), clock }, { role: "relay" });
  const days: Day[] = [];
  const problems: string[] = [];
  const all = nothingPruned();
  const pace = { clock, signal: new AbortController().signal };
  try {
    for (let day = 0; day < options.days; day++) {
      await passDay(store, clock, day, options);
      const began = performance.now();
      const expiry = expiryAt(clock.now(), config.retention);
      const { pruned } = await pruneInPieces(store, { expiry, by: "year" }, pace);
      await giveBackInPieces(store, roomToLeave(await store.space()), pace);
      const ms = performance.now() - began;
      for (const [kind, { rows }] of Object.entries(pruned)) all[kind as keyof typeof all].rows += rows;
      const { bytes, free } = await store.space();
      days.push({ day, bytes, used: bytes - free, ms });
      onDay(
        `day ${day + 1}: ${(bytes / MIB).toFixed(1)} MiB, ${(free / MIB).toFixed(1)} free, pruned in ${ms.toFixed(0)} ms`,
      );
    }
  } finally {
    await store.close();
  }
  const [end, last] = [days[options.bodies + 1], days.at(-1)];
  if (end === undefined || last === undefined || last.day <= end.day) {
    return {
      summary: "no day is behind the window",
      problems: ["choose more days than bodies are kept"],
      folder,
      days,
    };
  }
  const later = (last.day - end.day) * options.events;
  const ledger = Math.max(0, last.used - end.used) / later;
  const inWindow = (end.used - ledger * 2 * options.events) / ((options.bodies + 1) * options.events);
  const grown = (last.bytes - end.bytes - ledger * later) / end.bytes;
  if (grown > MOST_GROWTH) problems.push(`the file grew by ${(100 * grown).toFixed(1)} % more than its ledger`);
  if (ledger > inWindow / 3) problems.push(`a pruned event still takes ${ledger.toFixed(0)} bytes`);
  const file = (await stat(databaseOf(config.dataDir))).size;
  if (file > last.bytes * 1.01) problems.push(`the file has ${file} bytes, and not ${last.bytes}`);
  const stored = await openStored(join(folder, "config.json"));
  if (stored.integrity() !== "ok") problems.push(`the database is damaged: ${stored.integrity()}`);
  await stored.close();
  const slowest = Math.max(...days.map(({ ms }) => ms));
  const summary = [
    `${options.days} days of ${options.events} events: ${(end.bytes / MIB).toFixed(1)} MiB after ${options.bodies} days,`,
    `${(last.bytes / MIB).toFixed(1)} MiB at the end; ${inWindow.toFixed(0)} bytes an event within, ${ledger.toFixed(0)} of ledger for each`,
    `before; pruned ${all.bodies.rows} bodies, ${all.autosaves.rows} autosaves, ${all.attempts.rows} attempts; a day's in ${slowest.toFixed(0)} ms at most`,
  ].join(" ");
  if (problems.length === 0) await rm(folder, { recursive: true, force: true });
  return { summary, problems, folder, days };
}

/** A clock that is set; pauses are over at once, and durations are real. */
function calendar(): Clock & { set(now: number): void } {
  let now = Date.UTC(2026, 0, 1);
  return {
    now: () => now,
    elapsed: () => performance.now(),
    after(_, run) {
      const timer = setImmediate(run);
      return () => clearImmediate(timer);
    },
    set(value) {
      now = value;
    },
  };
}

async function passDay(
  store: Store,
  clock: ReturnType<typeof calendar>,
  day: number,
  { events, padding }: YearOptions,
): Promise<void> {
  const start = Date.UTC(2026, 0, 1) + day * DAY;
  for (let from = 0; from < events; from += AT_ONCE) {
    const some = Math.min(AT_ONCE, events - from);
    clock.set(start + Math.floor((DAY * from) / events));
    const accepted = await Promise.all(
      Array.from({ length: some }, (_, nth) => {
        const serial = day * events + from + nth;
        const body = Buffer.from(JSON.stringify(eventOf(serial, events, padding)));
        const lease = { endpoints: ["app"], leaseFor: 30_000 };
        return store.accept({ receivedAt: clock.now(), sourceAddress: "54.81.68.237", body, lease });
      }),
    );
    const settled = accepted.flatMap(({ leased }) => leased);
    await Promise.all(settled.map((job) => store.settleDelivery(job, answered(200, { at: clock.now() }), clock.now())));
    // What came while an earlier one of its lane was on its way.
    for (;;) {
      const { jobs } = await store.claimDeliveries({ endpoint: "app", now: clock.now(), limit: 500, leaseFor: 30_000 });
      if (jobs.length === 0) break;
      await Promise.all(jobs.map((job) => store.settleDelivery(job, answered(200, { at: clock.now() }), clock.now())));
    }
  }
  clock.set(start + DAY);
}

/** The videos of a day are worked on one beside the other. */
function eventOf(serial: number, perDay: number, padding: number) {
  const videos = Math.max(1, Math.floor(perDay / LIFE.length));
  const step = Math.floor((serial % perDay) / videos);
  const video = `${Math.floor(serial / perDay)}-${serial % videos}`;
  const type = LIFE[Math.min(step, LIFE.length - 1)]!;
  const links = {
    videoUrl: `https://m.example/${video}.mp4?Expires=1&Signature=${"s".repeat(100)}`,
    thumbnailUrl: `https://m.example/${video}.jpg`,
  };
  const said = {
    type,
    wochitVideoId: `5f0c${video}`,
    videoContext: `page-${serial % videos}`,
    title: `A title of some length, number ${video}`,
  };
  return { ...said, ...(type === "video.ready" && links), pad: "x".repeat(padding), n: serial };
}
