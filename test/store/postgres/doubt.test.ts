import assert from "node:assert/strict";
import { test } from "node:test";
import { RelayError } from "../../../src/errors.ts";
import type { Way } from "../../../src/store/postgres/open.ts";
import { CommitInDoubt } from "../../../src/store/postgres/wire/errors.ts";
import type { Wire } from "../../../src/store/postgres/wire/open.ts";
import { type Bench, remove } from "../../contracts/store.ts";
import type { TestClock } from "../../support/ports.ts";
import { noPostgres } from "../../support/postgres.ts";
import { openStores, passing } from "../../support/postgres-stores.ts";
import { waitFor } from "../../support/wait.ts";

// What becomes of a transaction whose COMMIT is not answered, where the server cannot be asked for seconds.

const limited = { skip: noPostgres, timeout: 60_000 };

/** A wire that is cut once after `begin`, when something was committed and before that is said, until it is mended. */
function cutting() {
  let state: "whole" | "begun" | "cut" = "whole";
  const wire = (real: Wire): Way => ({
    ...real,
    async transaction(work, how) {
      if (state === "cut") throw new RelayError("store_unavailable", "no connection");
      const result = await real.transaction(work, how);
      if (state === "whole" || how?.readonly) return result;
      state = "cut";
      throw new CommitInDoubt("the connection was lost");
    },
  });
  return {
    wire,
    begin() {
      state = "begun";
    },
    isCut: async () => state === "cut",
    mend() {
      state = "whole";
    },
  };
}

/** Seconds pass, by which what waits tries again and again. */
async function outage(clock: TestClock, seconds: number): Promise<void> {
  for (let tenth = 0; tenth < 10 * seconds; tenth++) {
    await clock.advance(100);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

async function openOne(t: Parameters<typeof openStores>[0]) {
  const { wire, ...link } = cutting();
  const { stores, clock } = await openStores(t, 1, { wire, time: (ports) => ports });
  return { ...(stores[0] as Bench), ...link, clock };
}

test("an event is stored once where it is known only after seconds that it was", limited, async (t) => {
  const { post, store, clock, begin, isCut, mend } = await openOne(t);
  // A repetition would be told by nothing that this event says.
  const text = JSON.stringify({ type: "new.type", wochitVideoId: "v1" });
  begin();
  const posting = post(text);
  await waitFor(isCut);
  await outage(clock, 7);
  mend();
  const { id, status } = await passing(clock, posting);
  assert.equal(status, "accepted");
  assert.deepEqual(
    (await store.events({ limit: 9 })).map((event) => event.id),
    [id],
  );
});

for (const how of ["by a claim", "with its event"]) {
  test(
    `a delivery that was claimed ${how}, which was not said for too long, waits for no lease`,
    limited,
    async (t) => {
      const { post, claim, clock, begin, isCut, mend } = await openOne(t);
      const begun = clock.now();
      if (how === "by a claim") await post(remove("v1"));
      begin();
      const claiming = how === "by a claim" ? claim() : post(remove("v1"), clock.now(), ["cms"]);
      const failed = assert.rejects(claiming, { code: "store_unavailable", message: /not known whether/ });
      await waitFor(isCut);
      await outage(clock, 11);
      await failed;
      mend();
      await waitFor(async () => {
        await clock.advance(50);
        const jobs = await passing(clock, claim());
        return jobs.length === 1 || clock.now() - begun > 18_000;
      });
      assert.ok(clock.now() - begun < 18_000, "long before its lease ends");
    },
  );
}
