import { createHash } from "node:crypto";
import { RelayError } from "../../../errors.ts";
import type { Quarantined, RefusalReason } from "../../../model/event.ts";
import { videoIdIn } from "../../../wochit/event.ts";
import type { Refusal, Store, StoreSettings } from "../../store.ts";
import type { Ids } from "../rows/ids.ts";
import { page } from "../rows/paging.ts";
import { PER_PIECE, takeSome } from "../rows/pieces.ts";
import type { Sql } from "../rows/sql.ts";
import { createFairRing, createPlainRing } from "./rings.ts";

/** Bodies of allowed senders that are no events are kept up to this many bytes (CONTRACT, "Public listener"). */
const KEEP_INVALID = 256 * 2 ** 20;

type Row = { id: number; received_at: number; source: string; reason: RefusalReason; bytes: number };

/** Which ring a refusal belongs to: what is no event, what was refused, and what an allowed sender sent in vain. */
const RING_OF: Record<RefusalReason, "invalid" | "refused" | "inVain"> = {
  invalid_json: "invalid",
  invalid_event: "invalid",
  source: "refused",
  token: "refused",
  size: "refused",
  path: "inVain",
  method: "inVain",
  broken: "inVain",
  request: "inVain",
};

/** Refused bodies, in three rings, each bounded. Inside a transaction. */
export function createQuarantine(db: Sql, ids: Ids, settings: Readonly<Pick<StoreSettings, "keepRefused">>) {
  const insert = db.prepare(
    `INSERT INTO quarantine (id, received_at, source, reason, ring, sha256, bytes, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const same = db.prepare<[Buffer, string], { id: number }>(
    "SELECT id FROM quarantine WHERE sha256 = ? AND reason = ? AND ring = 0",
  );
  const drop = db.prepare("DELETE FROM quarantine WHERE id = ?");
  const sizes = db.prepare<[number, number], { id: number; bytes: number }>(
    "SELECT id, bytes FROM quarantine WHERE id > ? ORDER BY id LIMIT ?",
  );
  // Bodies in which the id may stand: as JSON writes it, or with characters of it escaped (RFC 8259 §7).
  const mayName = db.prepare<[number, number, Buffer, string], { id: number; body: Uint8Array }>(
    `SELECT id, body FROM quarantine WHERE id BETWEEN ? AND ? AND (instr(body, ?) > 0
       OR instr(body, CAST('\\u' AS BLOB)) > 0 OR instr(body, CAST(? AS BLOB)) > 0)`,
  );
  const byId = db.prepare<[number], Row & { body: Uint8Array }>("SELECT * FROM quarantine WHERE id = ?");
  const rings = {
    invalid: createPlainRing(db, 0, () => KEEP_INVALID),
    refused: createFairRing(db, { events: 1, others: 3 }, () => settings.keepRefused),
    inVain: createFairRing(db, { events: 2, others: 4 }, () => settings.keepRefused),
  };

  function rowOf(id: string) {
    const row = byId.get(ids.read("qrn", id));
    if (!row) throw new RelayError("not_found", `no quarantined body "${id}"`);
    return row;
  }

  return {
    /** What the rings hold may have been changed by others, or by a transaction that was undone. */
    forget() {
      for (const ring of Object.values(rings)) ring.forget();
    },

    keep({ receivedAt, sourceAddress, reason, body, isEvent = true }: Refusal): { id: string } {
      const sha256 = createHash("sha256").update(body).digest();
      const name = RING_OF[reason];
      // Equal bytes that are no event are kept once. In the other rings they may be events that were meant twice.
      const kept = name === "invalid" ? same.get(sha256, reason) : undefined;
      if (kept) return { id: ids.show("qrn", kept.id) };
      const id = ids.next();
      const ring = rings[name].add({ id, source: sourceAddress, bytes: body.length, isEvent });
      insert.run(id, receivedAt, sourceAddress, reason, ring, sha256, body.length, body);
      return { id: ids.show("qrn", id) };
    },

    show(id: string): Quarantined & { body: Uint8Array } {
      const row = rowOf(id);
      return { ...toQuarantined(ids, row), body: row.body };
    },
    drop(id: string): void {
      drop.run(rowOf(id).id);
      this.forget();
    },
    /** The bodies after this one that are looked through next, and those of them that are of the video. */
    findOf(videoId: string, after: number): { last: number; ids: number[] } | null {
      const some = takeSome(sizes.all(after, PER_PIECE));
      if (some.length === 0) return null;
      const last = some.at(-1)!.id;
      const named = JSON.stringify(videoId);
      const found = mayName.all(some[0]!.id, last, Buffer.from(named), videoId.includes("/") ? "\\/" : named);
      return { last, ids: found.filter(({ body }) => videoIdIn(body) === videoId).map(({ id }) => id) };
    },
    /** How many of these were there. */
    dropAll(ids: number[]): number {
      this.forget();
      return ids.reduce((count, id) => count + drop.run(id).changes, 0);
    },
    list(wish: Parameters<Store["quarantined"]>[0]): Quarantined[] {
      const list = page<Row>(
        db,
        ids,
        "q.id, q.received_at, q.source, q.reason, q.bytes FROM quarantine q",
        "q.id",
        "qrn",
        wish,
      );
      if (wish.reason !== undefined) list.where("q.reason = ?", wish.reason);
      return list.all().map((row) => toQuarantined(ids, row));
    },
  };
}

export type Quarantine = ReturnType<typeof createQuarantine>;

function toQuarantined(ids: Ids, row: Row): Quarantined {
  return {
    id: ids.show("qrn", row.id),
    receivedAt: row.received_at,
    sourceAddress: row.source,
    reason: row.reason,
    bytes: row.bytes,
  };
}
