import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { read } from "../../../src/store/core/feed/feed.ts";
import { job } from "../../../src/store/core/tx.ts";
import type { FeedFilter, FeedPage, FeedWish } from "../../../src/store/feed.ts";
import { openStore } from "../../../src/store/open.ts";
import { openIds } from "../../../src/store/sqlite/rows/ids.ts";
import type { Sql } from "../../../src/store/sqlite/rows/sql.ts";
import { createRunner, type Surroundings } from "../../../src/store/sqlite/runner.ts";
import { configIn } from "../../support/config.ts";
import { tempFolder } from "../../support/folder.ts";
import { testClock, testPorts } from "../../support/ports.ts";

test("the feed has one order while a command writes beside the relay, each by its own clock", async (t) => {
  const config = configIn(tempFolder(t), {});
  const clocks = [testClock(), testClock()];
  const relay = await openStore(config, testPorts(clocks[0]!), { role: "relay" });
  const command = await openStore(config, testPorts(clocks[1]!), { role: "operator" });
  const beside = await openStore(config, testPorts(testClock()), { role: "operator" });
  for (const store of [command, beside, relay]) t.after(() => store.close());
  const random = testPorts().random;
  const read: string[] = [];
  let position: string | null = null;
  const page = async () => {
    const found = await beside.feed({ after: position === null ? "oldest" : { position }, limit: 7 });
    ({ position } = found);
    read.push(...found.events.map(({ event }) => event.id));
    return found.isMore;
  };
  const written: string[] = [];
  for (let n = 0; n < 200; n++) {
    const at = Math.floor(random.float() * 2);
    clocks[at]!.set(Date.UTC(2026, 0, 1) + Math.floor((random.float() - 0.5) * 1e7));
    const body = Buffer.from(JSON.stringify({ type: "draft.update", wochitVideoId: `v${n % 7}` }));
    const store = at === 0 ? relay : command;
    const accept = () => store.accept({ receivedAt: clocks[at]!.now(), sourceAddress: "192.0.2.1", body });
    const [first] = await Promise.all([accept(), random.float() < 0.5 && page()]);
    written.push(first.id);
  }
  while (await page());
  assert.deepEqual(read, written);
});

for (const [named, filter] of [
  ["none", {}],
  ["a context", { context: "page 1" }],
  ["types", { types: ["draft.*"] }],
  ["a video", { videoId: "v1" }],
] as [string, FeedFilter][]) {
  test(`nothing is missed of what another process commits between two statements of a page; filter: ${named}`, async (t) => {
    const config = configIn(tempFolder(t), {});
    const clock = testClock();
    const store = await openStore(config, testPorts(clock), { role: "relay" });
    t.after(() => store.close());
    for (const type of ["draft.new", "draft.update"]) {
      const body = Buffer.from(JSON.stringify({ type, wochitVideoId: "v1", videoContext: "page 1" }));
      await store.accept({ receivedAt: clock.now(), sourceAddress: "192.0.2.1", body });
    }
    const [reader, writer] = [0, 1].map(() => new Database(join(config.dataDir, "relay.db"))) as [Db, Db];
    t.after(() => [reader, writer].forEach((db) => void db.close()));
    writer.pragma("synchronous = OFF");
    const [like] = writer.prepare("SELECT max(id) AS id FROM events").all() as { id: number }[];
    const columns = "received_at, video, failure, source, deliveries, body, dialect";
    const copy = writer.prepare(
      `INSERT INTO events (id, sequence, type, context, ${columns}) SELECT ?, ?, ?, ?, ${columns} FROM events WHERE id = ${like!.id}`,
    );
    const annotate = writer.prepare("INSERT INTO annotations (event, context) VALUES (?, 'page 1')");
    let last = like!.id;
    let commits = 0;
    /** What each index alone has only a part of: one of each type, of each way to a context. */
    const commit = writer.transaction(() => {
      for (const type of ["draft.new", "draft.update"]) {
        for (const context of ["page 1", null]) {
          copy.run(++last, 10 + last - like!.id, type, context);
          if (context === null) annotate.run(last);
        }
      }
    });
    /** Another process commits after each of the statements that read, for a while. */
    const interrupted = interruptedBy(reader, () => {
      if (commits++ < 40) commit();
    });
    const ids = openIds(reader as Sql, clock);
    const { run } = createRunner(
      interrupted,
      { ids, now: clock.now, horizon: async () => Number.MAX_SAFE_INTEGER } as unknown as Surroundings,
      { add() {}, count() {} },
    );
    const seen: string[] = [];
    for (let position: string | null = null, isOver = false; !isOver; ) {
      const after: FeedWish["after"] = position === null ? "oldest" : { position };
      const page: FeedPage = await run(job((tx) => read(tx, { ...filter, after, limit: 100 })));
      seen.push(...page.events.map(({ event }) => event.id));
      isOver = commits > 40 && page.events.length === 0;
      ({ position } = page);
    }
    const all = (reader.prepare("SELECT id FROM events ORDER BY id").all() as { id: number }[]).map(({ id }) => id);
    assert.ok(all.length > 100);
    assert.deepEqual(
      seen,
      all.map((id) => ids.show("evt", id)),
    );
  });
}

test("what another process prunes between two statements of a page takes none of what follows out of the feed", async (t) => {
  const config = configIn(tempFolder(t), {});
  const clock = testClock();
  const store = await openStore(config, testPorts(clock), { role: "relay" });
  t.after(() => store.close());
  const written: string[] = [];
  for (let index = 0; index < 450; index++) {
    const body = Buffer.from(JSON.stringify({ type: "draft.new", wochitVideoId: "v1", videoContext: "page 1", index }));
    const { id } = await store.accept({ receivedAt: clock.now(), sourceAddress: "192.0.2.1", body });
    written.push(id);
  }
  const [reader, writer] = [0, 1].map(() => new Database(join(config.dataDir, "relay.db"))) as [Db, Db];
  t.after(() => [reader, writer].forEach((db) => void db.close()));
  const ids = openIds(reader as Sql, clock);
  for (const filter of [{ context: "page 1" }, { types: ["draft.*"] }, { videoId: "v1" }]) {
    const [pruned] = written.splice(5, 1);
    /** What is found first are the ids, without their rows. */
    let statements = 0;
    const interrupted = interruptedBy(reader, (text) => {
      if (/ORDER BY .* LIMIT/.test(text) && statements++ === 0)
        writer.prepare("DELETE FROM events WHERE id = ?").run(ids.read("evt", pruned!));
    });
    const { run } = createRunner(
      interrupted,
      { ids, now: clock.now, horizon: async () => Number.MAX_SAFE_INTEGER } as unknown as Surroundings,
      { add() {}, count() {} },
    );
    const page: FeedPage = await run(job((tx) => read(tx, { ...filter, after: "oldest", limit: 500 })));
    assert.equal(statements > 0, true);
    assert.deepEqual(
      page.events.map(({ event }) => event.id),
      written,
      JSON.stringify(filter),
    );
  }
});

type Db = InstanceType<typeof Database>;

/** Calls `act` after each statement that reads, with its text. */
function interruptedBy(reader: Db, act: (text: string) => void): Sql {
  return {
    ...(reader as Sql),
    prepare(text: string) {
      const statement = reader.prepare(text);
      const after = (found: unknown) => {
        act(text);
        return found;
      };
      const get = (...values: unknown[]) => after(statement.get(...values));
      return { get, all: (...values: unknown[]) => after(statement.all(...values)) } as never;
    },
  };
}
