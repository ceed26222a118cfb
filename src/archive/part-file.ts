import { createHash } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import type { ArchiveFile } from "../model/archive.ts";
import { sha256OfFile } from "../platform/files/sha256.ts";
import { goesOn } from "./line.ts";

/** A part's file that is being written. */
export type PartFile = {
  /** Bytes of text, and events, so far. */
  text(): number;
  events(): number;
  /** Adds a line; resolves when the next may come. */
  add(line: string): Promise<void>;
  /** It is complete. */
  end(): Promise<ArchiveFile>;
  /** It is given up. */
  abort(): Promise<void>;
};

/** Makes a file, which must not exist, readable for its owner only. The same lines make the same bytes. */
export function writePartFile(path: string, head: string): PartFile {
  const gzip = createGzip();
  const file = createWriteStream(path, { flags: "wx", mode: 0o600 });
  let bytes = 0;
  file.on("close", () => {
    bytes = file.bytesWritten;
  });
  const written = pipeline(gzip, file);
  written.catch(() => {});
  let text = 0;
  let events = -1;

  async function add(line: string): Promise<void> {
    if (!goesOn(line)) events++;
    text += Buffer.byteLength(line) + 1;
    if (gzip.write(`${line}\n`)) return;
    // A file that fails ends the stream, which then never drains.
    await Promise.race([once(gzip, "drain"), written]);
  }
  void add(head);

  return {
    text: () => text,
    events: () => events,
    add,
    async end() {
      gzip.end();
      await written;
      return { sha256: await sha256OfFile(path), bytes, text, events };
    },
    async abort() {
      gzip.destroy();
      await written.catch(() => {});
    },
  };
}

/**
 * The lines of a part, its head first. `file`, once all were read: what the bytes are. Throws for bytes that cannot be unpacked.
 */
export function readPartFile(source: AsyncIterable<Uint8Array>): {
  lines: AsyncGenerator<string>;
  file(): ArchiveFile;
} {
  const hash = createHash("sha256");
  const read = { bytes: 0, text: 0, events: -1 };

  async function* heard(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      hash.update(chunk);
      read.bytes += chunk.length;
      yield chunk;
    }
  }

  async function* lines(): AsyncGenerator<string> {
    const gunzip = createGunzip();
    const unpacking = pipeline(Readable.from(heard()), gunzip);
    unpacking.catch(() => {});
    let rest: Uint8Array[] = [];
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      read.text += chunk.length;
      let from = 0;
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
        rest.push(chunk.subarray(from, at));
        const line = Buffer.concat(rest).toString();
        rest = [];
        from = at + 1;
        if (!goesOn(line)) read.events++;
        yield line;
      }
      if (from < chunk.length) rest.push(chunk.subarray(from));
    }
    await unpacking;
    if (rest.length > 0) throw new Error("its last line has no end");
  }

  return { lines: lines(), file: () => ({ sha256: hash.digest("hex"), ...read }) };
}

/** What the bytes are. */
export async function examinePartFile(source: AsyncIterable<Uint8Array>): Promise<ArchiveFile> {
  const { lines, file } = readPartFile(source);
  for await (const _ of lines);
  return file();
}
