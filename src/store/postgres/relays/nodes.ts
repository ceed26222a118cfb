import type { Clock } from "../../../ports.ts";
import { GONE_AFTER, type RelaySeen, type RelayVerbs, type TakenOver } from "../../access/relays.ts";
import * as media from "../../core/media/rows.ts";
import * as ends from "../../core/media/settle.ts";
import { about, job, sql, type Tx } from "../../core/tx.ts";
import type { Engine } from "../../verbs.ts";
import type { KnownLife } from "../epoch/life.ts";
import { toQuery } from "../statements.ts";
import type { Wire } from "../wire/open.ts";

/** One that was not seen for so long is forgotten, and its files are not waited for; milliseconds. */
const DAY = 24 * 3_600_000;

/** A link that dies within SOON is not left to a relay that has been silent for SHORT_SILENCE, in milliseconds. */
const SOON = 10 * 60_000;
const SHORT_SILENCE = 30_000;

/** Media at once, at most. */
const AT_ONCE = 20;

type Noted = { differing: string | null };
const NOTE = sql<[string, string, string, string, number, number, number, string, string, number], Noted>(
  `INSERT INTO nodes (id, host, version, config, mirrors, started_at, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?)
   ON CONFLICT (id) DO UPDATE SET host = excluded.host, version = excluded.version, config = excluded.config,
     mirrors = excluded.mirrors, started_at = excluded.started_at, seen_at = excluded.seen_at
   RETURNING (SELECT string_agg(host, ' ' ORDER BY host) FROM nodes WHERE id <> ? AND config <> ? AND seen_at > ?) AS differing`,
);
type Row = Record<"id" | "host" | "version" | "config", string> & Record<"mirrors" | "started_at" | "seen_at", number>;
const SEEN = sql<[number], Row>("SELECT * FROM nodes WHERE seen_at > ? ORDER BY started_at, id");
const MIRRORS = sql<[string, number], unknown>(
  "SELECT 1 FROM nodes WHERE id <> ? AND mirrors = 1 AND seen_at > ? LIMIT 1",
);

type Left = { id: number; video_id: string; node: string };
const LEFT = sql<[string, number, number, number, number, number, number], Left>(
  `SELECT m.id, v.video_id, coalesce(m.node, '') AS node FROM transfers t
     JOIN media m ON m.id = t.medium JOIN videos v ON v.id = m.video LEFT JOIN nodes n ON n.id = m.node
   WHERE t.action = 'upload' AND m.spooled IS NOT NULL AND coalesce(m.node, '') <> ? AND coalesce(n.seen_at, 0) <
     CASE WHEN m.deadline <= ? THEN CAST(? AS int8) WHEN m.deadline <= ? THEN CAST(? AS int8) ELSE CAST(? AS int8) END
   ORDER BY m.deadline, m.id LIMIT ?`,
);
const STILL_LEFT = sql<[number, string], unknown>(
  "SELECT 1 FROM media WHERE id = ? AND coalesce(node, '') = ? AND spooled IS NOT NULL",
);

type Options = {
  wire: Pick<Wire, "query">;
  clock: Clock;
  /** Which one this is; a command is none. */
  node: string;
  life: Pick<KnownLife, "now">;
};

/** What relays of one database know of each other. */
export function relayWorks({ wire, clock, node, life }: Options, { read, write }: Engine): RelayVerbs {
  /** A server that has taken over may lack what relays noted last, and some may still be on their way to it. */
  function isNewEpoch(now: number): boolean {
    const { beganAt } = life.now();
    return beganAt !== null && beganAt <= now && now < beganAt + GONE_AFTER;
  }

  return {
    async noteRelay({ host, version, config, mirrors, startedAt }) {
      const now = clock.now();
      const row = [node, host, version, config, Number(mirrors), startedAt, now];
      // No transaction of the others' kind: it wakes none of them.
      const { rows } = await wire.query(toQuery(NOTE, [...row, node, config, now - GONE_AFTER]));
      return { differing: (rows[0] as Noted).differing?.split(" ") ?? [] };
    },
    relays: () => read(job(async (tx) => (await tx.all(SEEN, [clock.now() - DAY])).map(toSeen))),
    async takeOver() {
      const now = clock.now();
      const silences = [now, now - DAY, now + SOON, now - SHORT_SILENCE, now - GONE_AFTER] as const;
      const left = await read(job((tx) => tx.all(LEFT, [node, ...silences, AT_ONCE])));
      // By now it is known.
      if (isNewEpoch(now)) return [];
      const taken: TakenOver[] = [];
      for (const one of left) {
        const mediumId = await write(about(one.video_id, (tx) => fetchAgain(tx, one, now)));
        if (mediumId !== null) taken.push({ mediumId, videoId: one.video_id, relay: one.node });
      }
      return taken;
    },
  };
}

/** Whether another relay that was seen within a day downloads media: then what waits for that is not skipped by this one. */
export async function othersMirror(tx: Tx, node: string, now: number): Promise<boolean> {
  return (await tx.get(MIRRORS, [node, now - DAY])) !== undefined;
}

/** Null: it has another file by now, or none is waited for. */
async function fetchAgain(tx: Tx, { id, node }: Left, now: number): Promise<string | null> {
  if ((await tx.get(STILL_LEFT, [id, node])) === undefined) return null;
  await ends.restart(tx, (await media.byId(tx, id))!, "the relay that had its file is gone", now);
  return tx.ids.show("med", id);
}

const toSeen = ({ started_at, seen_at, mirrors, ...row }: Row): RelaySeen => ({
  ...row,
  mirrors: mirrors === 1,
  startedAt: started_at,
  seenAt: seen_at,
});
