import assert from "node:assert/strict";
import { auditedStore } from "../../src/store/access/audited.ts";
import type { Store } from "../../src/store/store.ts";
import { type Bench, checker, type OpenStore, plain } from "./store.ts";

const DAY = 86_400_000;

/** What every store engine must do with the secrets of media links. */
export function storeLinksContract(engine: string, openStore: OpenStore): void {
  const check = checker(engine, openStore);

  check(
    "the first secret of links is made once, and lasts over every opening",
    async ({ store, reopen }) => {
      assert.deepEqual(await held(store), []);
      const [one, other] = await Promise.all([store.ensureLinkSecret(bytes("a")), store.ensureLinkSecret(bytes("b"))]);
      assert.deepEqual([one.map(named), other.map(named)], [[["a", null]], [["a", null]]]);
      await store.close();
      const again = await reopen();
      assert.deepEqual((await again.ensureLinkSecret(bytes("c"))).map(named), [["a", null]]);
      assert.deepEqual(await held(again), [["a", null]]);
      await again.close();
    },
    plain(),
  );

  check(
    "a new secret signs, and no earlier one is valid for longer than is named, or than it would have been",
    async ({ store, clock, reopen }) => {
      const start = clock.now();
      await store.ensureLinkSecret(bytes("a"));
      await rotate(store, "b", 30 * DAY, start);
      const thirty = start + 30 * DAY;
      assert.deepEqual(await held(store), [
        ["b", null],
        ["a", thirty],
      ]);
      clock.set(start + DAY);
      await rotate(store, "c", 7 * DAY, clock.now());
      const eight = start + 8 * DAY;
      await rotate(store, "d", 100 * DAY, clock.now());
      const all = [
        ["d", null],
        ["c", start + 101 * DAY],
        ["b", eight],
        ["a", eight],
      ];
      assert.deepEqual(await held(store), all);
      await store.close();
      const again = await reopen();
      clock.set(eight - 1);
      assert.deepEqual(await held(again), all);
      clock.set(eight);
      assert.deepEqual(await held(again), all.slice(0, 2));
      clock.set(start + 101 * DAY);
      assert.deepEqual(await held(again), all.slice(0, 1));
      await again.close();
    },
    plain(),
  );

  check(
    "kept for no time, all earlier secrets end at once",
    async ({ store, clock }) => {
      await store.ensureLinkSecret(bytes("a"));
      await rotate(store, "b", DAY, clock.now());
      await rotate(store, "c", 0, clock.now());
      assert.deepEqual(await held(store), [["c", null]]);
    },
    plain(),
  );

  check(
    "fifty secrets are valid at most",
    async ({ store, clock }) => {
      await store.ensureLinkSecret(bytes("first"));
      await rotate(store, "soonest", DAY, clock.now());
      for (let n = 2; n < 50; n++) await rotate(store, `${n}`, 9 * DAY, clock.now());
      assert.equal((await held(store)).length, 50);
      const until = new Date(clock.now() + DAY).toISOString();
      await assert.rejects(rotate(store, "more", 9 * DAY, clock.now()), {
        code: "conflict",
        message: new RegExp(`^50 secrets .* until ${until}`),
      });
      assert.equal((await held(store))[0]?.[0], "49");
      await rotate(store, "last", 0, clock.now());
      assert.deepEqual(await held(store), [["last", null]]);
    },
    plain(),
  );

  check(
    "secrets that have ended are removed with what has expired, and no others",
    async (at) => {
      const { store, clock } = at;
      const start = clock.now();
      await store.ensureLinkSecret(bytes("a"));
      await rotate(store, "b", DAY, start);
      const kept = await held(store);
      clock.set(start + DAY - 1);
      const before = await store.changeMark();
      await prune(at);
      assert.equal(await store.changeMark(), before, "nothing is written");
      assert.deepEqual(await held(store), kept);
      clock.set(start + DAY);
      await prune(at);
      // By this clock it would be valid, if it were there.
      clock.set(start);
      assert.deepEqual(await held(store), [["b", null]]);
    },
    plain(),
  );

  check(
    "a rotation is in the audit, with how long links stay valid, and without the secret",
    async ({ store, clock }) => {
      await store.ensureLinkSecret(bytes("a"));
      const audited = auditedStore(store, { through: "cli", by: "uid 7" });
      await rotate(audited, "b", DAY, clock.now());
      await rotate(audited, "c", 0, clock.now());
      const entries = await store.audit({ limit: 9 });
      assert.deepEqual(
        entries.map(({ verb, subject, count, outcome }) => [verb, subject, count, outcome]),
        [
          ["media links rotate", "earlier links end at once", null, "done"],
          ["media links rotate", `earlier links end at ${new Date(clock.now() + DAY).toISOString()}`, null, "done"],
        ],
      );
    },
    plain(),
  );
}

const bytes = (name: string) => new TextEncoder().encode(name.padStart(32, "."));
const named = ({ secret, endsAt }: { secret: Uint8Array; endsAt: number | null }) =>
  [new TextDecoder().decode(secret).replace(/^\.+/, ""), endsAt] as const;
const held = async (store: Store) => (await store.linkSecrets()).map(named);
const rotate = (store: Store, name: string, keep: number, now: number) =>
  store.rotateLinkSecret({ secret: bytes(name), keep }, now);

async function prune({ store, clock }: Bench): Promise<void> {
  const wish = { bodies: 0, attempts: 0, limit: 100, by: "a test", leaseFor: 1_000 };
  while ((await store.prune(wish, clock.now()))?.isMore);
}
