import { fail } from "../broken.ts";
import type { Transfer } from "./model.ts";

/** What apps and operators rely on of copies, after each command. */
export function judge({ db, bucket, isDeleted }: Transfer): void {
  const { row, places, deletions } = db;
  if (row?.state === "mirrored" && bucket.objects.get(row.key!) !== row.sha)
    fail("what a row has is in the bucket", `${row.key} is ${row.sha}, and there is ${bucket.objects.get(row.key!)}`);
  const named = new Set([row?.key, ...places, ...deletions.map(({ copy }) => copy?.key)]);
  for (const key of bucket.known()) {
    if (named.has(key)) continue;
    if (isDeleted) fail("what is deleted stays so", key);
    fail("what is put is written down", key);
  }
}

/** A spool has let a file go. */
export function kept({ db: { row }, relays, isLinkDead }: Transfer, medium: number): void {
  if (row?.medium !== medium || !isLinkDead || row.state === "mirrored" || row.state === "deleted") return;
  if (!relays.some(({ spool }) => spool.has(medium))) fail("the last file of a film is kept", `medium ${medium}`);
}

/** Once all relays that can have gone on for long enough. */
export function judgeEnd({ db: { row, deletions, upload }, bucket, relays, isLinkDead }: Transfer): void {
  if (row === null) return;
  if (deletions.length > 0 || upload !== null) fail("work ends", JSON.stringify({ deletions, upload }));
  const held = relays.find(({ spool }) => spool.has(row.medium));
  if (row.state === "deleted") {
    if (held) fail("what is deleted stays so", `the spool of ${held.n}`);
    if (bucket.known().length > 0) fail("what is deleted stays so", `${bucket.known()}`);
  } else if (row.state !== "mirrored" && (!isLinkDead || held))
    fail("a film is mirrored while its link lives, or a relay has it", row.state);
}
