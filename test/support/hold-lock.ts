import process from "node:process";
import Database from "better-sqlite3";

// A process that holds a database file for so many milliseconds: it reads it, as `doctor` does with the folder's lock, or, with
// "alone", lets no other in, as the last connection does while it closes.
const [path, ms, how] = process.argv.slice(2);
const db = new Database(path!);
if (how === "alone") {
  db.pragma("locking_mode = EXCLUSIVE");
  db.exec("BEGIN IMMEDIATE; COMMIT");
} else {
  db.exec("BEGIN");
  db.prepare("SELECT 1 FROM sqlite_schema").get();
}
process.stdout.write("held\n");
setTimeout(() => db.close(), Number(ms));
