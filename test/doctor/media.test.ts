import assert from "node:assert/strict";
import { test } from "node:test";
import { LINK_DIES_SOON } from "../../src/actions/alarms/judge.ts";
import { judgeMedia } from "../../src/doctor/media.ts";
import { inWords } from "../support/doctor.ts";
import { openSeeded, ready, type Seeded } from "../support/seeded.ts";

const HOUR = 3_600_000;
const mirrored = { mirror: { enabled: true, minFreeDisk: 0 } };

async function judge({ store }: Seeded, now: number) {
  const [deadline, lost] = await judgeMedia(store, now);
  return { deadline: inWords([deadline!]), lost: inWords([lost!]), advice: lost!.advice };
}

/** Claims what is due, and ends each try in a failure that is repeated. */
async function fail({ store }: Seeded, error: string, now: number): Promise<void> {
  const { jobs } = await store.claimDownloads({ now, limit: 9, leaseFor: 30_000, busyHosts: [] });
  for (const job of jobs) await store.settleDownload(job, { is: "retry", error, at: now + 1_000 }, now);
}

test("a download that keeps failing is a warning long before its link dies", async (t) => {
  const seeded = await openSeeded(t, mirrored);
  const now = Date.now();
  assert.equal((await judge(seeded, now)).deadline, "ok: no link has to be saved");
  await seeded.take(ready("v1", { videoUrl: "https://cdn.example.com/v1.mp4" }), now);
  await seeded.take(ready("v2", { videoUrl: "https://cdn.example.com/v2.mp4" }), now + 1);
  await fail(seeded, "answered 404", now + 2);
  assert.match((await judge(seeded, now + 60_000)).deadline, /^ok: the next link to die .* of v1, .*answered 404$/);
  const later = (await judge(seeded, now + 2 * HOUR + 9_000)).deadline;
  assert.match(
    later,
    /^warning: the download of video med_\w+ of v1 keeps failing since its first try 2 h ago \(answered 404\), like 1 other; its link dies in 2\d h$/,
  );
});

test("a link that dies soon is a warning as early as it is an alarm", async (t) => {
  const seeded = await openSeeded(t, mirrored);
  const now = Date.now();
  await seeded.take(ready("v1", { videoUrl: "https://cdn.example.com/v1.mp4" }), now);
  const [medium] = await seeded.store.media({ limit: 1, byDeadline: true });
  const soon = medium!.deadline - LINK_DIES_SOON;
  assert.match((await judge(seeded, soon)).deadline, /^ok: the next link to die/);
  assert.match((await judge(seeded, soon + 1)).deadline, /^warning: the next link to die/);
});

test("media that failed or expired in the last day are a warning with the commands, older ones are said", async (t) => {
  const seeded = await openSeeded(t, mirrored);
  const now = Date.now();
  assert.equal((await judge(seeded, now)).lost, "ok: none failed or expired");
  await seeded.take(ready("v1", { videoUrl: "https://cdn.example.com/v1.mp4" }), now);
  await seeded.download("failed");
  await seeded.take(ready("v2", { videoUrl: "https://cdn.example.com/v2.mp4" }), now);
  await seeded.download("expired");
  const { lost, advice } = await judge(seeded, now);
  assert.match(
    lost,
    /^warning: 2 of the last day have no copy: failed or expired; the last is video med_\w+ of v\d, (failed|expired) \(answered 403\)$/,
  );
  assert.match(advice!, /media list --state \w+ .*media retry --state \w+/);
  assert.equal((await judge(seeded, now + 25 * HOUR)).lost, "ok: 2 media failed or expired, all more than a day ago");
});
