import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { openStore } from "../../../src/store/open.ts";
import { APPLICATION_ID, migrations } from "../../../src/store/sqlite/schema/migrations.ts";
import { openSystem } from "../../model/intake/system.ts";
import { tempFolder } from "../../support/folder.ts";

const open = (...[config, ports]: Parameters<Parameters<typeof openSystem>[0]>) =>
  openStore(config, ports, { role: "relay" });

/** One event as version 0.2.0 stored it. */
type Old = { type: string | null; context?: string; failure?: true; isErased?: true };

/** A database of version 0.2.0: of each video its row, its events and its earlier contexts, in the order of their commit. */
function makeOld(dir: string, videos: Record<string, { row: object; said: (Old | { past: string })[] }>): void {
  mkdirSync(join(dir, "data"), { mode: 0o700 });
  const db = new Database(join(dir, "data", "relay.db"));
  for (const step of migrations.slice(0, 3)) db.exec(step);
  db.pragma(`application_id = ${APPLICATION_ID}`);
  db.pragma("user_version = 3");
  let id = 1;
  const insert = (table: string, row: object) =>
    db
      .prepare(`INSERT INTO ${table} (${Object.keys(row).join()}) VALUES (${Object.keys(row).map(() => "?")})`)
      .run(...Object.values(row));
  for (const [video_id, { row, said }] of Object.entries(videos)) {
    const video = id++;
    let sequence = 0;
    for (const one of said) {
      if ("past" in one) insert("past_contexts", { id: id++, video, context: one.past, since: id });
      else {
        const { type, context = null, failure } = one;
        const body = Buffer.from(JSON.stringify({ type, wochitVideoId: video_id, videoContext: context }));
        insert("events", {
          ...{
            id: id++,
            received_at: id,
            video,
            sequence: ++sequence,
            type,
            dialect: "typed",
            failure: failure ? 1 : 0,
          },
          ...{ context, source: "192.0.2.1", deliveries: 0, body: one.isErased ? null : body },
        });
      }
    }
    const times = { first_seen: 1, last_event_at: id, context_since: id };
    insert("videos", { id: video, video_id, ...times, sequence, ...row });
  }
  db.close();
}

test("a database of 0.2.0 is as if its events had come under the rules of today", async (t) => {
  const dir = tempFolder(t);
  const ready = { type: "video.ready" };
  const failed = { type: "video.error", failure: true } as const;
  makeOld(dir, {
    revived: { row: { state: "draft" }, said: [ready, failed, { type: "draft.update" }] },
    hidden: { row: { state: "deleted" }, said: [ready, failed, { type: "draft.delete" }] },
    failing: { row: { state: "failed" }, said: [ready, failed] },
    straggled: {
      row: { state: "draft" },
      said: [{ type: "draft.new" }, { type: "draft.delete" }, { type: "draft.exit" }],
    },
    draft: { row: { state: "draft" }, said: [{ type: "draft.delete" }, { type: "draft.new" }] },
    gone: { row: { state: "deleted" }, said: [ready, { type: "video.delete" }] },
    erased: { row: { state: "deleted", forgotten_at: 5 }, said: [{ ...ready, isErased: true }] },
  });
  const at = await openSystem(open, dir);
  t.after(() => at.close());
  const state = async (v: string) => (await at.video(v))?.state;
  assert.deepEqual(
    await Promise.all(["revived", "hidden", "failing", "straggled", "draft", "gone", "erased"].map(state)),
    ["ready", "ready", "failed", "deleted", "draft", "deleted", "deleted"],
  );
  const update = (v: string) => at.post(JSON.stringify({ type: "draft.new", wochitVideoId: v }));
  for (const v of ["revived", "failing", "gone", "erased"]) await update(v);
  assert.deepEqual(await Promise.all(["revived", "failing", "gone", "erased"].map(state)), [
    "ready",
    "ready",
    "draft",
    "draft",
  ]);
  assert.deepEqual(await at.forget("erased"), { events: 2, refused: 0 });
});

test("events of 0.2.0 without a context keep the one that their video had when they came", async (t) => {
  const dir = tempFolder(t);
  makeOld(dir, {
    v: {
      row: { state: "deleted", context: "b" },
      said: [
        ...[{ type: "draft.exit" }, { type: "draft.new", context: "a" }, { type: "draft.delete" }],
        ...[{ type: "draft.new", context: "b" }, { past: "a" }, { type: "video.odd" }],
      ],
    },
    unknown: { row: { state: "draft" }, said: [{ type: "draft.delete" }] },
  });
  const at = await openSystem(open, dir);
  t.after(() => at.close());
  const contexts = async (videoId: string) =>
    (await at.store().events({ limit: 9, videoId })).map(({ context, contextFrom }) => `${context} ${contextFrom}`);
  const before = ["b mapping", "b event", "a mapping", "a event", "a mapping"];
  assert.deepEqual(await contexts("v"), before);
  await at.import([{ videoId: "v", context: "c" }], true);
  await at.import([{ videoId: "unknown", context: "c" }]);
  assert.deepEqual(await contexts("v"), before);
  assert.deepEqual(await contexts("unknown"), ["c mapping"]);
});

test("what 0.2.0 imported stays where it was when a late event comes; titles known from then give way to newer ones only", async (t) => {
  const dir = tempFolder(t);
  makeOld(dir, {
    v: {
      row: { state: "draft", context: "table", title: "known" },
      said: [{ type: "draft.new", context: "said" }, { past: "said" }],
    },
  });
  const at = await openSystem(open, dir);
  t.after(() => at.close());
  const late = JSON.stringify({ type: "draft.update", wochitVideoId: "v", videoContext: "late", title: "late" });
  await at.reprocess(await at.refuse(late, 1));
  const { context, title, contextHistory, state } = (await at.video("v"))!;
  assert.deepEqual([context, title, state], ["table", "known", "draft"]);
  assert.deepEqual(
    contextHistory.map((one) => one.context),
    ["late", "said", "table"],
  );
});
