import { formatCount, formatSize, formatSpan, relativeTime } from "../actions/format.ts";
import { readStorage } from "../actions/prune.ts";
import type { Config } from "../config/schema.ts";
import type { ArchiveState } from "../store/archive/verbs.ts";
import type { Store } from "../store/store.ts";
import { type Finding, failed, of, ok, warning } from "./probe.ts";

const DAY = 86_400_000;

/** Free room that is worth an hour without a relay, in bytes and as a share of the file. */
const MUCH = 64 * 2 ** 20;
const MUCH_OF_IT = 0.25;

/** Whether what has expired is pruned, and whether the database file is much larger than what is in it. */
export async function judgeRetention(
  store: Pick<Store, "space" | "oldestBody" | "archiveState">,
  { retention }: { retention: Pick<Config["retention"], "bodies"> & Partial<Config["retention"]> },
  now: number,
): Promise<Finding[]> {
  const { bytes, free, givesBack, oldestBody } = await readStorage(store);
  const kept = `retention.bodies is ${formatSpan(retention.bodies)}`;
  // With an archive whole days go.
  const late = retention.archive == null ? DAY : 2 * DAY;
  const isBehind = oldestBody !== null && Date.parse(oldestBody) < now - retention.bodies - late;
  const archive = retention.archive == null ? null : await store.archiveState();
  const none = archive?.isBehind ? "all bodies that are left wait to be archived" : "no event has a body";
  const pruned = isBehind
    ? warning(
        `bodies wait to be pruned since ${oldestBody}, and ${kept}`,
        "the relay prunes them hourly while it runs, a database of before 0.3 within hours; wochit-relay prune does it now",
      )
    : ok(oldestBody === null ? `${none}, and ${kept}` : `the oldest body is of ${oldestBody}, and ${kept}`);
  const line = `${formatSize(bytes)}, of which ${formatSize(free)} are free for what comes`;
  const isHollow = !givesBack && free > MUCH && free > MUCH_OF_IT * bytes;
  const advice = "to give that to the disk, stop the relay and run wochit-relay prune --compact, once";
  const archived = archive === null ? [] : [of("archive", judgeArchive(archive, now))];
  return [of("retention", pruned), ...archived, of("size", isHollow ? warning(line, advice) : ok(line))];
}

/** Whether what has expired can be archived, and what was erased leaves the archive. */
function judgeArchive({ parts, events, failing, toRewrite }: ArchiveState, now: number): Finding {
  if (failing !== null) {
    const line = `what has expired cannot be archived, and is not pruned, since ${relativeTime(failing.since, now)}: ${failing.error}`;
    return failed(line.replace(/ ago: /, ": "), "fix that; wochit-relay prune tries it now, the relay within the hour");
  }
  const has = `${formatCount(events, "event")} in ${formatCount(parts, "file")}`;
  if (toRewrite === 0) return ok(`${has}; wochit-relay archive verify reads them all`);
  const line = `${has}, of which ${toRewrite} still have events that were erased`;
  return warning(line, "the running relay writes them anew; where that takes long its log says why");
}
