import assert from "node:assert/strict";
import { test } from "node:test";
import { noPostgres } from "../support/postgres.ts";
import { isWhole } from "../support/whole.ts";
import type { Command } from "./cluster/commands.ts";
import type { Mistake } from "./cluster/model.ts";
import type { Play } from "./cluster/play.ts";
import { onPostgres } from "./cluster/relays.ts";
import type { How } from "./cluster/tampered-wire.ts";
import { cluster, plays } from "./cluster/walk.ts";
import { findMistake, walk } from "./walk.ts";

// Short forms of `npm run test:model`, with the same seeds at each run.

const { steps, alone, besideItself, mistakes } = cluster;

test("cluster: the rules keep what a provider, apps and readers of the feed rely on", async () => {
  for (let seed = 1; seed <= (isWhole ? 10_000 : 1_000); seed++)
    assert.equal((await walk(steps, seed, alone))?.said, undefined);
});

test("cluster: relays on a PostgreSQL keep it", { skip: noPostgres }, async () => {
  for (let seed = 1; seed <= (isWhole ? 12 : 2); seed++)
    assert.equal((await walk(plays, seed, onPostgres))?.said, undefined);
});

const posts = (relay: number, video: string, how: How = "ok"): Play => ({ do: "post", relay, video, how });
const LOST: Play[] = [posts(0, "v"), posts(0, "w"), { do: "post", relay: 1, video: "v", is: "repeated" }];

/** What random walks come to now and then only. */
const PATHS: Record<string, Play[]> = {
  "an answer that comes after its lease settles nothing": [
    ...[posts(0, "v"), { do: "claim", relay: 0 } as Play, { do: "send", relay: 0, pick: 0 } as Play],
    ...([
      { do: "tick", ms: 21_000 },
      { do: "claim", relay: 1 },
      { do: "settle", relay: 0, pick: 0 },
    ] as Play[]),
  ],
  "the feed waits for what is under way": [
    ...[posts(0, "v", "slow"), posts(1, "w"), { do: "read", reader: 0, relay: 1 } as Play],
    ...([{ do: "let go" }, { do: "read", reader: 0, relay: 1 }] as Play[]),
  ],
  "what a failover has lost is there again, and sequences go on above it": [
    ...[posts(0, "v"), { do: "replicate" } as Play, ...LOST, { do: "claim", relay: 0 } as Play],
    ...[{ do: "send", relay: 0, pick: 0 } as Play, { do: "failover" } as Play, posts(1, "x"), ...LOST, ...LOST],
  ],
  "an event whose COMMIT is in doubt is stored once": [
    ...(["lost", "fail", "lost"] as const).map((how): Play => ({ do: "post", relay: 0, video: "v", is: "plain", how })),
    ...([
      { do: "claim", relay: 0, how: "lost" },
      { do: "send", relay: 0, pick: 0 },
    ] as Play[]),
    { do: "settle", relay: 0, pick: 0, how: "lost" },
  ],
};

for (const [promise, list] of Object.entries(PATHS)) {
  test(`cluster: on a PostgreSQL ${promise}`, { skip: noPostgres }, async () => {
    assert.equal(await onPostgres(list), null);
  });
}

const stores = (relay: number): Command[] => [
  { do: "post", relay, video: "v" },
  { do: "commit", pick: 0, how: "ok" },
];
const connects = (relay: number): Command[] => [
  { do: "connect", relay },
  { do: "connect", relay, c: 1 },
];
const sends = (relay: number): Command[] => [
  { do: "claim", relay },
  { do: "send", relay },
];
const later = (...units: number[]): Command[] => units.map((n) => ({ do: "tick", n }));

/** An old primary that goes on, at which one relay has claimed what the other claims at the new one. */
const CLAIMED_TWICE: Command[] = [
  ...[...stores(0), { do: "replicate", n: 99 } as Command, ...later(4), { do: "failover", zombie: true } as Command],
  ...([{ do: "drop", relay: 1 }, { do: "connect", relay: 1 }, ...later(2), { do: "claim", relay: 0 }] as Command[]),
  ...([{ do: "end old" }, ...later(4, 2), { do: "claim", relay: 1 }] as Command[]),
];

/** Lists for mistakes that only thousands of random walks meet. */
const LISTS: Partial<Record<Mistake, Command[]>> = {
  "an epoch's number is the clock's, also where that is behind": [
    ...[...later(15), { do: "failover", skew: 20 } as Command, ...connects(0), ...later(9, 2)],
    ...[{ do: "replicate", n: 99 } as Command, ...stores(0), ...sends(0), { do: "settle", relay: 0 } as Command],
    ...[...stores(0), ...sends(0), { do: "failover" } as Command, ...connects(1), ...stores(1), ...later(9, 2)],
    ...sends(1),
  ],
  "what was forgotten is brought back": [
    ...[...stores(0), { do: "replicate", n: 99 } as Command, ...stores(0), ...later(4), { do: "failover" } as Command],
    ...[...connects(1), { do: "forget", relay: 1, video: "v" } as Command, ...connects(0)],
    { do: "look", relay: 0 },
  ],
  "the ring keeps no duplicates": [
    ...[...stores(0), { do: "post", relay: 1, video: "v", is: "repeated" } as Command, ...stores(0).slice(1)],
    ...([{ do: "kill", relay: 0 }, ...later(4), { do: "failover" }] as Command[]),
  ],
  "claims go on at once in a new epoch": CLAIMED_TWICE.toSpliced(-2, 1),
  "claims go on in a new epoch after a lease": CLAIMED_TWICE,
};

for (const mistake of mistakes) {
  test(`cluster: with a mistake in the model ("${mistake}") it breaks a promise`, async () => {
    const list = LISTS[mistake] ?? (await findMistake(cluster, mistake, 2_000))?.list ?? [];
    assert.notEqual(await besideItself(list, mistake), null);
    assert.equal(await alone(list), null);
  });
}
