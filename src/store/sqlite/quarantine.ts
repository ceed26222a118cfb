import { createHash } from "node:crypto";
import type { Quarantined, RefusalReason } from "../../domain.ts";
import { RelayError } from "../../errors.ts";
import { videoIdIn } from "../../wochit.ts";
import type { Refusal, Store, StoreSettings } from "../store.ts";
import { type Ids, readId, showId } from "./ids.ts";
import { page } from "./page.ts";
import type { Sql } from "./sql.ts";

/** Bodies of allowed senders that are no events are kept up to this many bytes (CONTRACT, 400). */
const KEEP_INVALID = 256 * 2 ** 20;

/** What a row costs beside its body, so that a flood of empty bodies is bounded too. */
const ROW_COST = 256;

type Row = { id: number; received_at: number; source: string; reason: RefusalReason; bytes: number };

/** Refused bodies, in two keeps, each bounded: the oldest leave first. Inside a transaction. */
export function createQuarantine(db: Sql, ids: Ids, settings: Readonly<Pick<StoreSettings, "keepRefused">>) {
  const insert = db.prepare(
    `INSERT INTO quarantine (id, received_at, source, reason, ring, sha256, bytes, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const same = db.prepare<[Buffer, string], { id: number }>(
    "SELECT id FROM quarantine WHERE sha256 = ? AND reason = ? AND ring = 0",
  );
  const size = db.prepare<[number, number], { total: number }>(
    "SELECT coalesce(sum(bytes + ?), 0) AS total FROM quarantine WHERE ring = ?",
  );
  const oldest = db.prepare<[number], { id: number; bytes: number }>(
    "SELECT id, bytes FROM quarantine WHERE ring = ? ORDER BY id LIMIT 1",
  );
  const drop = db.prepare("DELETE FROM quarantine WHERE id = ?");
  // Bodies in which the id may stand: as JSON writes it, or with characters of it escaped (RFC 8259 §7).
  const mayName = db.prepare<[Buffer, string], { id: number; body: Uint8Array }>(
    `SELECT id, body FROM quarantine WHERE instr(body, ?) > 0 OR instr(body, CAST('\\u' AS BLOB)) > 0
       OR instr(body, CAST(? AS BLOB)) > 0 ORDER BY id`,
  );
  const byId = db.prepare<[number], Row & { body: Uint8Array }>("SELECT * FROM quarantine WHERE id = ?");

  // The sums are kept here, per ring, and read again whenever another process has written.
  let totals: [number, number] | null = null;

  function rowOf(id: string) {
    const row = byId.get(readId("qrn", id));
    if (!row) throw new RelayError("not_found", `no quarantined body "${id}"`);
    return row;
  }

  return {
    forget() {
      totals = null;
    },

    keep({ receivedAt, sourceAddress, reason, body }: Refusal): { id: string } {
      const sha256 = createHash("sha256").update(body).digest();
      const ring = reason === "invalid_json" || reason === "invalid_event" ? 0 : 1;
      // Equal bytes that are no event are one riddle. In the ring they may be events that were meant twice.
      const kept = ring === 0 ? same.get(sha256, reason) : undefined;
      if (kept) return { id: showId("qrn", kept.id) };
      const limit = ring === 0 ? KEEP_INVALID : settings.keepRefused;
      totals ??= [size.get(ROW_COST, 0)!.total, size.get(ROW_COST, 1)!.total];
      let total = totals[ring]! + body.length + ROW_COST;
      for (let old = oldest.get(ring); total > limit && old; old = oldest.get(ring)) {
        drop.run(old.id);
        total -= old.bytes + ROW_COST;
      }
      totals[ring] = total;
      const id = ids.next();
      insert.run(id, receivedAt, sourceAddress, reason, ring, sha256, body.length, body);
      return { id: showId("qrn", id) };
    },

    show(id: string): Quarantined & { body: Uint8Array } {
      const row = rowOf(id);
      return { ...toQuarantined(row), body: row.body };
    },
    drop(id: string): void {
      drop.run(rowOf(id).id);
      totals = null;
    },
    /** Drops the bodies that are of this video; how many these were. */
    dropOf(videoId: string): number {
      const named = Buffer.from(JSON.stringify(videoId));
      const ids: number[] = [];
      for (const { id, body } of mayName.iterate(named, videoId.includes("/") ? "\\/" : named.toString())) {
        if (videoIdIn(body) === videoId) ids.push(id);
      }
      for (const id of ids) drop.run(id);
      if (ids.length > 0) totals = null;
      return ids.length;
    },
    list(wish: Parameters<Store["quarantined"]>[0]): Quarantined[] {
      const list = page<Row>(
        db,
        "q.id, q.received_at, q.source, q.reason, q.bytes FROM quarantine q",
        "q.id",
        "qrn",
        wish,
      );
      if (wish.reason !== undefined) list.where("q.reason = ?", wish.reason);
      return list.all().map(toQuarantined);
    },
  };
}

export type Quarantine = ReturnType<typeof createQuarantine>;

function toQuarantined(row: Row): Quarantined {
  return {
    id: showId("qrn", row.id),
    receivedAt: row.received_at,
    sourceAddress: row.source,
    reason: row.reason,
    bytes: row.bytes,
  };
}
