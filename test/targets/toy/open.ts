import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setImmediate as turn } from "node:timers/promises";
import { RelayError } from "../../../src/errors.ts";
import { type MirrorTarget, partsOfKey, SpoolChanged } from "../../../src/targets/target.ts";
import type { ToyTarget } from "./type.ts";

type Held = { bytes: Uint8Array; modifiedAt: number };

/** All shelves of this process, by their names: they outlive the targets that are opened on them. */
export const shelves = new Map<string, Map<string, Held>>();

/** Copies in memory. */
export async function openToy({ shelf, code }: ToyTarget): Promise<MirrorTarget> {
  if (code !== "open sesame")
    throw new RelayError("target_unavailable", `the shelf ${shelf} is locked: check its code`);
  const held = shelves.get(shelf) ?? new Map<string, Held>();
  shelves.set(shelf, held);
  const at = (key: string) => held.get(partsOfKey(key).join("/")) ?? null;
  return {
    async put(key, file, { sha256, replace }, signal) {
      signal.throwIfAborted();
      at(key);
      const bytes = new Uint8Array(await readFile(file));
      signal.throwIfAborted();
      if (sha256Of(bytes) !== sha256) throw new SpoolChanged(`${file} is not what was downloaded`);
      const there = at(key);
      if (there !== null && !replace) return sha256Of(there.bytes) === sha256 ? "exists-same" : "exists-different";
      held.set(key, { bytes, modifiedAt: Date.now() });
      return "stored";
    },
    async head(key) {
      const found = at(key);
      return found && { bytes: found.bytes.length };
    },
    async delete(key) {
      if (at(key) !== null) held.delete(key);
    },
    async open(key) {
      const found = at(key);
      // Like any other place it lets others work meanwhile.
      await turn();
      if (found === null) return null;
      const { bytes, modifiedAt } = found;
      return {
        is: "file",
        bytes: bytes.length,
        modifiedAt,
        tag: sha256Of(bytes),
        read: (start, end) => new Blob([bytes.slice(start, end + 1)]).stream(),
        async close() {},
      };
    },
    async read(key, signal) {
      const found = at(key);
      return found && piecesOf(found.bytes, signal);
    },
    file: async () => null,
    async list(folder) {
      const start = `${partsOfKey(folder).join("/")}/`;
      return [...held]
        .filter(([key]) => key.startsWith(start) && !key.slice(start.length).includes("/"))
        .map(([key, { bytes, modifiedAt }]) => ({ key, bytes: bytes.length, modifiedAt }));
    },
    oddities: async () => [],
    async close() {},
  };
}

async function* piecesOf(bytes: Uint8Array, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) {
    signal.throwIfAborted();
    yield bytes.subarray(at, at + 65_536);
  }
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
