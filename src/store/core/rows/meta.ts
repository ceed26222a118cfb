import { Buffer } from "node:buffer";
import type { IntegrityCheck } from "../../store.ts";
import { sql, type Tx } from "../tx.ts";

// Facts about the store itself, by name: what is no row of anything else.

const READ = sql<[string], { value: Uint8Array }>("SELECT value FROM meta WHERE name = ?");
const WRITE = sql<[string, Uint8Array]>(
  "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
);
const ADD = sql<[string, Uint8Array]>("INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING");
const REMOVE = sql<[string]>("DELETE FROM meta WHERE name = ?");

const EMPTY = new Uint8Array();

export async function readBytes(tx: Tx, name: string): Promise<Uint8Array | null> {
  return (await tx.get(READ, [name]))?.value ?? null;
}

export async function readText(tx: Tx, name: string): Promise<string | null> {
  const bytes = await readBytes(tx, name);
  return bytes === null ? null : Buffer.from(bytes).toString();
}

export function writeText(tx: Tx, name: string, text: string): void {
  tx.write(WRITE, [name, Buffer.from(text)]);
}

/** What `writeJson` wrote; null: there is none. */
export async function readJson<T>(tx: Tx, name: string): Promise<T | null> {
  return JSON.parse((await readText(tx, name)) ?? "null") as T | null;
}

export function writeJson(tx: Tx, name: string, value: unknown): void {
  writeText(tx, name, JSON.stringify(value));
}

export async function isMarked(tx: Tx, name: string): Promise<boolean> {
  return (await tx.get(READ, [name])) !== undefined;
}

export function mark(tx: Tx, name: string): void {
  tx.write(ADD, [name, EMPTY]);
}

export function remove(tx: Tx, name: string): void {
  tx.write(REMOVE, [name]);
}

/** Which life of the store this is. */
export async function readEpoch(tx: Tx): Promise<string> {
  return Buffer.from((await readBytes(tx, "epoch"))!).toString("hex");
}

const PUBLIC_URL = "public-url";

export const readPublicUrl = (tx: Tx) => readText(tx, PUBLIC_URL);

export async function writePublicUrl(tx: Tx, url: string): Promise<void> {
  if ((await readPublicUrl(tx)) !== url) writeText(tx, PUBLIC_URL, url);
}

const CHECK = "integrity";

/** The last check of the whole database. */
export const readCheck = (tx: Tx) => readJson<IntegrityCheck>(tx, CHECK);

export const writeCheck = async (tx: Tx, check: IntegrityCheck) => writeJson(tx, CHECK, check);

const SEEN_AT = "seen-at";

/** Remembers the time at which a relay is known to have run on this database. */
export function setSeenTime(tx: Tx, now: number): void {
  writeText(tx, SEEN_AT, String(now));
}

/** Less than the hour after which each relay does so again, in milliseconds. */
const SEEN_FOR = 50 * 60_000;

/** Whether the time was remembered a while ago at most, and is not ahead of `now`. */
export async function wasSeen(tx: Tx, now: number): Promise<boolean> {
  const at = await readText(tx, SEEN_AT);
  return at !== null && Number(at) <= now && now - Number(at) < SEEN_FOR;
}

/** Remembers it, too; resolves with how far the time remembered before is ahead of `now`; 0: it is not. */
export async function replaceSeenTime(tx: Tx, now: number): Promise<number> {
  const before = await readText(tx, SEEN_AT);
  setSeenTime(tx, now);
  return before === null ? 0 : Math.max(0, Number(before) - now);
}
