import { LEASE } from "../../model/job.ts";
import { typeOf } from "../../targets/table.ts";
import type { Problems } from "../problems.ts";
import type { Config } from "../schema.ts";

/** Refuses what is of one machine only, beside a store that several relays share, and what the database's own tools do. */
export function checkStore({ store, mirror, backup }: Config, problems: Problems): void {
  if (store === null) return;
  const isFolder = (target: Config["mirror"]["target"]) => typeOf(target).folderOf(target) !== null;
  if (mirror.enabled && isFolder(mirror.target)) {
    const why = "a folder is of one relay, and the others on store.url cannot serve what lies in it";
    problems.add(["mirror", "target"], `must be a bucket, or mirror.enabled false: ${why}`);
  }
  for (const [at, target] of mirror.formerTargets.entries()) {
    if (!isFolder(target)) continue;
    const why = "a folder is of one relay, and the others on store.url cannot serve what lies in it";
    problems.add(["mirror", "formerTargets", at], `must be a bucket: ${why}`);
  }
  if (backup !== null) {
    problems.add(
      ["backup"],
      "must be null with store.url: PostgreSQL is backed up by its own tools, or by who runs it",
    );
  }
}

type Settings = Pick<Config, "retention"> & { store: unknown; endpoints: { timeout: number }[] };

/** What holds for one relay, and not for several; one line each, with its place. */
export function warnAboutStore({ store, endpoints, retention }: Settings): string[] {
  if (store === null) return [];
  const warnings: string[] = [];
  for (const [at, { timeout }] of endpoints.entries()) {
    if (timeout < LEASE) continue;
    warnings.push(
      `endpoints[${at}].timeout: is not below ${LEASE / 1_000}s, the lease of a delivery: a relay that loses the database ends such an attempt before its answer, and another relay makes it again`,
    );
  }
  const { archive } = retention;
  if (archive !== null && archive !== "target") {
    warnings.push("retention.archive.dir: must be a folder that all relays on store.url share");
  }
  return warnings;
}
