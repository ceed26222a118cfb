import { pruneNow } from "../actions/prune.ts";
import { restoreFrom } from "../archive/restore.ts";
import { eachPart, examinePart } from "../archive/verify.ts";
import { backupProcess, makeBackup } from "../backup/make.ts";
import { backupFolder } from "../backup/schedule.ts";
import type { Config } from "../config/schema.ts";
import type { Runs } from "../jobs/runs.ts";
import type { Mirror } from "../mirror/open.ts";
import type { Pruned } from "../model/retention.ts";
import type { RunOptions } from "../model/task.ts";
import { type Command, runOwnProcess } from "../platform/processes/own-process.ts";
import { sleep } from "../platform/timing.ts";
import type { Ports } from "../ports.ts";
import { databaseOf } from "../store/backup.ts";
import type { Store } from "../store/store.ts";
import { archiveOf, archiverOf } from "./pruning.ts";

/** What `media verify --json` prints at its end. */
type Verified = Record<"copies" | "good" | "missing" | "damaged" | "unreadable" | "mended" | "unreached", number>;

/** How soon a move goes on in the next mirror, in milliseconds. */
const MIRROR_AGAIN = 200;

/** What the relay does as a whole when the admin API asks for it; what reads much is a process of its own. */
export function createRuns(parts: {
  store: Store;
  /** As it is at each call. */
  config(): Config;
  mirror(): Pick<Mirror, "move" | "targets">;
  ports: Ports;
  self: Command;
}): Runs {
  const { store, config, mirror, ports, self } = parts;
  const ofArchive = { ...parts, targets: () => mirror().targets };
  return {
    async verify(options, signal) {
      const { file } = config();
      const args = [...filterArgs(options), ...(file === null ? [] : ["--config", file])];
      const summary = await runOwnProcess<Verified>(self, ["media", "verify", "--summary", ...args], signal);
      const { copies, good, unreached } = summary;
      const wrong = (["missing", "damaged", "unreadable", "mended", "unreached"] as const)
        .filter((name) => summary[name] > 0)
        .map((name) => `${summary[name]} ${name}`);
      const error = wrong.length === 0 ? null : `${wrong.join(", ")}: "media verify" names them`;
      return { total: copies + unreached, done: good, failed: copies - good + unreached, error };
    },

    async move({ deleteSource = false, rate = null }, signal, job) {
      // It stops with its mirror, which a new config replaces.
      while (!signal.aborted && (await mirror().move(job, { deleteSource, rate }, signal)) === "stopped") {
        await sleep(MIRROR_AGAIN, ports.clock, signal);
      }
      const { total, done, failed } = await store.task(job.id);
      // All was counted on the way.
      return { total: Math.max(total ?? 0, done + failed), done: 0, failed: 0, error: null };
    },

    async backup(_, signal) {
      const { backup, dataDir } = config();
      const dir = backupFolder(backup ?? {}, dataDir);
      const run = backupProcess(databaseOf(dataDir), self);
      const places = { dir, target: mirror().targets.present, store, ports };
      await makeBackup(places, backup?.to ?? "dir", run, signal, { planned: false });
      return { total: 1, done: 1, failed: 0, error: null };
    },

    async prune(_, signal) {
      const archive = archiverOf(ofArchive);
      const { pruned, isWhole, archiveError } = await pruneNow(store, config(), ports, { archive, signal });
      const rows = rowsOf(pruned);
      const lost = isWhole ? null : "another took over before its end: nothing is lost, it goes on there";
      const error = archiveError === null ? lost : `what is not archived stays: ${archiveError}`;
      return { total: rows, done: rows, failed: 0, error };
    },

    async verifyArchive({ since, until }, signal) {
      const archive = archiveOf(ofArchive);
      const wrong: string[] = [];
      let total = 0;
      for await (const part of eachPart(store, { since, until })) {
        const found = await examinePart(archive, part, signal);
        total++;
        if (found !== null) wrong.push(found.detail);
      }
      const more = wrong.length > 1 ? `, and ${wrong.length - 1} more: "archive verify" names them` : "";
      const error = wrong.length === 0 ? null : `${wrong[0]}${more}`;
      return { total, done: total - wrong.length, failed: wrong.length, error };
    },

    async restoreArchive({ since, until, videoId }, signal) {
      const { bodies } = config().retention;
      const wish = { since, until, videoId, bodies };
      const { restored, present, unknown, erased } = await restoreFrom(archiveOf(ofArchive), wish, { signal });
      const failed = unknown + erased;
      const error = failed === 0 ? null : `${unknown} events are not in this database, ${erased} were erased`;
      return { total: restored + present + failed, done: restored + present, failed, error };
    },
  };
}

function filterArgs({ videoId, kind, since, until, rate, mend }: RunOptions): string[] {
  const option = (name: string, value: unknown) => (value === undefined ? [] : [`--${name}=${value}`]);
  const time = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());
  return [
    ...option("video-id", videoId),
    ...option("kind", kind),
    ...option("since", time(since)),
    ...option("until", time(until)),
    ...option("rate", rate),
    ...(mend === true ? ["--mend"] : []),
  ];
}

const rowsOf = (pruned: Pruned) => Object.values(pruned).reduce((sum, { rows }) => sum + rows, 0);
