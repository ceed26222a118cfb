import assert from "node:assert/strict";
import { checker, type OpenStore, plain } from "./store.ts";

const HOUR = 3_600_000;

/** What every store engine must do with the sessions of the dashboard. */
export function storeSessionsContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check(
    "a session lasts until it ends, or expires, over every opening",
    async ({ store, clock, reopen }) => {
      const amy = session("a1", clock.now());
      await store.beginSession(amy);
      await clock.advance(1);
      const bob = { ...session("b1", clock.now()), address: "192.0.2.9" };
      await store.beginSession(bob);
      await store.close();
      const again = await reopen();
      assert.deepEqual(await again.session("a1"), amy);
      assert.deepEqual(await again.sessions(), [bob, amy]);
      assert.equal(await again.session("c1"), null);
      await again.endSession("a1");
      await again.endSession("a1");
      assert.equal(await again.session("a1"), null);
      await clock.advance(12 * HOUR - 1);
      assert.deepEqual(await again.session("b1"), bob);
      await clock.advance(1);
      assert.equal(await again.session("b1"), null);
      assert.deepEqual(await again.sessions(), []);
      await again.close();
    },
    plain(),
  );

  check(
    "a link logs in once, until it expires, and is no session",
    async ({ store, clock }) => {
      const link = { hash: "l1", token: "admin", mark: "0123", expiresAt: clock.now() + HOUR };
      await store.offerLogin(link);
      assert.equal(await store.session("l1"), null);
      assert.deepEqual(await store.sessions(), []);
      assert.deepEqual(await Promise.all([store.takeLogin("l1"), store.takeLogin("l1")]), [link, null]);
      await store.offerLogin({ ...link, hash: "l2" });
      await clock.advance(HOUR);
      assert.equal(await store.takeLogin("l2"), null);
    },
    plain(),
  );

  check(
    "all sessions, and all links, end at once",
    async ({ store, clock }) => {
      await store.beginSession(session("a1", clock.now()));
      await store.beginSession(session("b1", clock.now()));
      await store.offerLogin({ hash: "l1", token: "admin", mark: "0123", expiresAt: clock.now() + HOUR });
      assert.equal(await store.endSessions(), 2);
      assert.deepEqual(await store.sessions(), []);
      assert.equal(await store.takeLogin("l1"), null);
      assert.equal(await store.endSessions(), 0);
    },
    plain(),
  );

  check(
    "of very many sessions of a token the newest thousand stay, and all of the others",
    async ({ store, clock }) => {
      const at = clock.now();
      await store.beginSession({ ...session("other", at - 1), token: "other", expiresAt: at + HOUR });
      const all = Array.from({ length: 1_003 }, (_, n) => session(`s${n}`, at + n));
      await Promise.all(all.map((one) => store.beginSession({ ...one, expiresAt: at + HOUR })));
      const kept = await store.sessions();
      assert.equal(kept.length, 1_001);
      assert.deepEqual([kept[0]?.hash, ...kept.slice(-2).map(({ hash }) => hash)], ["s1002", "s3", "other"]);
    },
    plain(),
  );

  check(
    "the token of relays whose configs name none is the first that was offered, also after a restart",
    async ({ store, reopen }) => {
      const offered = ["one", "other", "third"];
      const tokens = await Promise.all(offered.map((token) => store.ensureAdminToken(token)));
      assert.equal(new Set(tokens).size, 1);
      assert.ok(offered.includes(tokens[0]!));
      await store.close();
      const again = await reopen();
      assert.equal(await again.ensureAdminToken("fourth"), tokens[0]);
      await again.close();
    },
    plain(),
  );
}

const session = (hash: string, createdAt: number) => ({
  ...{ hash, token: "admin", mark: "0123", address: "127.0.0.1" },
  createdAt,
  expiresAt: createdAt + 12 * HOUR,
});
