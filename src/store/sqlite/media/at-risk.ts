import { nextRisk, riskShare } from "../../../rules/at-risk.ts";
import type { Notices } from "../deliveries/notices.ts";
import type { Ids } from "../rows/ids.ts";
import type { Sql } from "../rows/sql.ts";
import { type MediumRow, SHOWN_MEDIUM } from "./rows.ts";

/** At most this many are told in one commit; the rest in the next. */
const AT_ONCE = 500;

/** Media that are not secured while their link dies, inside a transaction. */
export function createRisks(db: Sql, ids: Ids, notices: Notices) {
  const due = db.prepare<[number, number], MediumRow & { video_id: string }>(
    `SELECT ${SHOWN_MEDIUM} WHERE m.risk_at <= ? ORDER BY m.risk_at LIMIT ?`,
  );
  const first = db.prepare<[], { at: number | null }>("SELECT min(risk_at) AS at FROM media WHERE risk_at IS NOT NULL");
  const move = db.prepare("UPDATE media SET risk_at = ? WHERE id = ?");

  return {
    next: (): number | null => first.get()?.at ?? null,

    /** Each share is told once; of several that have passed unnoticed only the greatest. */
    raise(now: number): { mediumId: string; videoId: string; kind: string; share: number }[] {
      return due.all(now, AT_ONCE).map((row) => {
        const life = { linkedAt: row.linked_at, deadline: row.deadline, now };
        const share = riskShare(life);
        move.run(nextRisk(life), row.id);
        notices.tellRisk(row, share, now);
        return { mediumId: ids.show("med", row.id), videoId: row.video_id, kind: row.kind, share };
      });
    },
  };
}
