import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeFolders, nullWhereMissing } from "../../../platform/files/file-system.ts";
import type { Random } from "../../../ports.ts";

/** The file in the data folder that names this relay among those of its database: another folder is another relay. */
const nameOf = (dataDir: string) => join(dataDir, "node");

/** The name of the relay of this data folder, made where it has none. */
export function ensureNode(dataDir: string, random: Random): string {
  const known = readNode(dataDir);
  if (known !== null) return known;
  const made = Buffer.from(random.bytes(8)).toString("hex");
  makeFolders(dataDir);
  const part = `${nameOf(dataDir)}.part`;
  writeFileSync(part, `${made}\n`, { mode: 0o600 });
  renameSync(part, nameOf(dataDir));
  return made;
}

/** The same; null: it has none. */
export function readNode(dataDir: string): string | null {
  try {
    const text = readFileSync(nameOf(dataDir), "utf8").trim();
    return /^[0-9a-f]{16}$/.test(text) ? text : null;
  } catch (error) {
    return nullWhereMissing(error);
  }
}
