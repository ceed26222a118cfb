import { nextRisk, riskShare } from "../../../rules/at-risk.ts";
import * as notices from "../deliveries/notices.ts";
import { held } from "../rows/held.ts";
import { sql, type Tx } from "../tx.ts";
import { type MediumRow, SHOWN_MEDIUM } from "./rows.ts";

/** The most media in one commit; the rest follows in the next. */
const AT_ONCE = 500;

// Media that are not secured while their link dies.

const DUE = sql<[number, number], MediumRow & { video_id: string }>(
  `SELECT ${SHOWN_MEDIUM} WHERE m.risk_at <= ? ORDER BY m.risk_at, m.id LIMIT ?`,
);
const FIRST = sql<[], { at: number | null }>("SELECT min(risk_at) AS at FROM media WHERE risk_at IS NOT NULL");
const MOVE = sql<[number | null, number]>("UPDATE media SET risk_at = ? WHERE id = ?");

export const next = async (tx: Tx): Promise<number | null> => (await tx.get(FIRST, []))?.at ?? null;

/** Notifies of each share once; of several that have passed meanwhile only of the greatest. */
export async function raise(
  tx: Tx,
  now: number,
): Promise<{ mediumId: string; videoId: string; kind: string; share: number }[]> {
  const raised = [];
  for (const row of await held(tx, AT_ONCE, (most) => tx.all(DUE, [now, most]))) {
    const life = { linkedAt: row.linked_at, deadline: row.deadline, now };
    const share = riskShare(life);
    tx.write(MOVE, [nextRisk(life), row.id]);
    await notices.tellRisk(tx, row, share, now);
    raised.push({ mediumId: tx.ids.show("med", row.id), videoId: row.video_id, kind: row.kind, share });
  }
  return raised;
}
