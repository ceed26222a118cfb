import pg from "pg";
import { codeOf, errorLine, RelayError } from "../../../errors.ts";

/**
 * COMMIT was sent, and whether the transaction is committed, or safe, is not known: the connection was lost, the server did not
 * answer in time, or it did not wait for its standby. Who tries again looks first for what this try may have left.
 */
export class CommitInDoubt extends RelayError {
  constructor(why: string, options?: { cause?: unknown }) {
    super("store_unavailable", `it is not known whether PostgreSQL has committed: ${why}`, options);
    this.name = "CommitInDoubt";
  }
}

/**
 * Trouble of the server or of the way to it: the same may succeed later. Unless it is CommitInDoubt, nothing was committed.
 * Any other error is one of a statement or of the work around it, and was rolled back.
 */
export function isTrouble(error: unknown): boolean {
  return codeOf(error) === "store_unavailable";
}

/** What the server itself answered, by its SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html); null: it has not answered. */
export function stateOf(error: unknown): string | null {
  return error instanceof pg.DatabaseError ? (error.code ?? "") : null;
}

/** Two transactions were in each other's way, and this one was rolled back: at once it may succeed. */
export function isConflict(error: unknown): boolean {
  return /^(40001|40P01)$/.test(stateOf(error) ?? "");
}

/**
 * Connection, conflict, no room or connections, no lock, ended or canceled by an operator, the disk, a standby or a read-only
 * server, a transaction that stood idle.
 */
const TROUBLE = /^(08|40|53|55P03|57|58|25006|25P03)/;

/** The error for callers: trouble becomes the store's own. */
export function translated(error: unknown): unknown {
  const state = stateOf(error);
  if (state === null || !(TROUBLE.test(state) || isStale(error))) return error;
  return new RelayError("store_unavailable", `PostgreSQL: ${errorLine(error)}`, { cause: error });
}

/** The server has other tables than when it prepared the statement, has forgotten it, or has one of another: on another connection it goes. */
function isStale(error: unknown): boolean {
  const { code, routine } = error as pg.DatabaseError;
  return code === "26000" || code === "42P05" || (code === "0A000" && routine === "RevalidateCachedQuery");
}

/** The connection is of no use any more, though it may answer. */
export function spoilsConnection(error: unknown): boolean {
  return /^(08|57P|25006|25P03)/.test(stateOf(error) ?? "") || isStale(error);
}

/** Another server may take writes now. */
export function questionsPrimary(error: unknown): boolean {
  return /^(08|57P|25006)/.test(stateOf(error) ?? "");
}
