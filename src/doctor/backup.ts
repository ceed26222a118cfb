import { formatSize, formatSpan, relativeTime } from "../actions/format.ts";
import type { Config } from "../config/schema.ts";
import type { Backup, FailedBackup } from "../store/backups.ts";
import type { Store } from "../store/store.ts";
import { type DataFolder, sizeOf } from "./files/data-folder.ts";
import { type Finding, failed, ok, warning } from "./probe.ts";

type Settings = Pick<Config, "backup" | "mirror">;
type Reads = Pick<Store, "backups">;

/** The last backup that was checked: whether it is still there, private, and as recent as the config asks for. */
export async function judgeBackups(
  store: Reads,
  { backup, mirror }: Settings,
  data: DataFolder,
  now: number,
): Promise<Finding> {
  const last = await store.backups.last();
  const exposed = judgePublic(await store.backups.list(), mirror.publicBaseUrl);
  if (exposed !== null) return exposed;
  // One that an operator made may have been moved elsewhere, as it should be.
  if (last?.place === "dir" && (await sizeOf(last.name)) !== last.bytes) {
    return failed(`the last that was checked, ${last.name}, is gone`, "wochit-relay backup FILE makes one now");
  }
  const failure = backup === null ? null : await store.backups.failed();
  return failure === null ? judgeAge(last, backup, data, now) : judgeFailure(failure, last, now);
}

/** A failure where backups are in a target that has become public; null: none are. */
export function judgePublic(backups: Pick<Backup, "place" | "name">[], publicBaseUrl: string | null): Finding | null {
  const exposed = backups.filter(({ place }) => place === "target");
  if (publicBaseUrl === null || exposed.length === 0) return null;
  const line = `${exposed.length} were put into the target, the last ${exposed[0]!.name}, and that is public now (mirror.publicBaseUrl)`;
  return failed(line, "remove them there; the relay removes them from its list at its next start");
}

function judgeFailure({ at, error, againAt }: FailedBackup, last: Backup | null, now: number): Finding {
  const before =
    last === null
      ? "this database knows of no good one"
      : `the last that was checked was made ${relativeTime(last.at, now)}`;
  return failed(
    `the relay's last try, ${relativeTime(at, now)}, failed: ${error}; ${before}`,
    `fix that; the relay tries again at ${new Date(againAt).toISOString()}`,
  );
}

/** The age of the last backup, against the interval of the config. */
export function judgeAge(
  last: Backup | null,
  configured: Config["backup"],
  { database }: Pick<DataFolder, "database">,
  now: number,
): Finding {
  const configure = 'set "backup" in the config, or let cron run wochit-relay backup FILE';
  if (configured === null && last === null)
    return warning("none is configured, and this database knows of none", configure);
  const made =
    last &&
    `the last that was checked was made ${relativeTime(last.at, now)}: ${last.events} events, ${formatSize(last.bytes)}, ${last.name}${last.place === "target" ? " in the target" : ""}`;
  if (configured === null) return warning(`${made}; none is made by schedule`, configure);
  const { every } = configured;
  const log = "see the relay's log for why";
  if (last !== null) {
    return now - last.at > 2 * every ? failed(`${made}; backup.every is ${formatSpan(every)}`, log) : ok(made!);
  }
  const line = `none was made and checked yet, though backup.every is ${formatSpan(every)}`;
  const age = database === null || database.bornAt <= 0 ? 0 : now - database.bornAt;
  return age > 2 * every ? failed(line, log) : warning(line, "the relay makes the first");
}
