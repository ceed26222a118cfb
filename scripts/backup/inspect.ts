import { setPriority } from "node:os";
import Database from "better-sqlite3";

/** What is in a copy: `trouble` is what SQLite finds wrong with it; `upTo`: how many events there are up to an id. */
export type Inspected = { trouble: string | null; events: number; upTo: number };

/**
 * Looks into a copy by itself, whatever the command said of it. Ids are given in the order of commits: who has as many
 * rows up to the newest id that was acknowledged as there were acknowledgements has them all.
 */
const [file = "", newest = ""] = process.argv.slice(2);
setPriority(10);
const db = new Database(file, { readonly: true, fileMustExist: true });
const said = String(db.pragma("integrity_check(1)", { simple: true }));
const count = db.prepare<[number], { n: number }>("SELECT count(*) AS n FROM events WHERE id <= ?");
const inspected: Inspected = {
  trouble: said === "ok" ? null : `integrity_check: ${said}`,
  events: count.get(Number.MAX_SAFE_INTEGER)!.n,
  upTo: count.get(newest === "" ? 0 : Number.parseInt(newest.slice(4, 15), 32))!.n,
};
db.close();
console.log(JSON.stringify(inspected));
