import process from "node:process";
import Database from "better-sqlite3";

// A process that reads a database file, as `doctor` does with the folder's lock, for so many milliseconds.
const [path, ms] = process.argv.slice(2);
const db = new Database(path!);
db.exec("BEGIN");
db.prepare("SELECT 1 FROM sqlite_schema").get();
process.stdout.write("held\n");
setTimeout(() => db.close(), Number(ms));
