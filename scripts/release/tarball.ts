import { buffer } from "node:stream/consumers";
import { createGzip } from "node:zlib";
import { pack } from "tar-stream";

/** A file of an archive: its path there, with /, and whether it can be run. */
export type Entry = { path: string; content: Uint8Array | string; executable?: boolean };

/**
 * A .tar.gz that is the same bytes for the same entries, wherever and whenever it is made: sorted, everything root's, of one
 * time (seconds), and no name of a machine or user in it. (reproducible-builds.org, "Archive metadata")
 */
export async function makeTarball(entries: Entry[], epoch: number): Promise<Buffer> {
  const tar = pack();
  const owner = { uid: 0, gid: 0, uname: "root", gname: "root", mtime: new Date(epoch * 1000) };
  const folders = new Set(entries.flatMap(({ path }) => foldersOf(path)));
  const all = [
    ...[...folders].map((name) => ({
      header: { ...owner, name, type: "directory" as const, mode: 0o755 },
      content: undefined,
    })),
    ...entries.map(({ path: name, content, executable }) => ({
      header: { ...owner, name, mode: executable ? 0o755 : 0o644 },
      content: Buffer.from(content),
    })),
  ].sort((a, b) => (a.header.name < b.header.name ? -1 : 1));
  const made = buffer(tar.pipe(createGzip({ level: 9 })));
  for (const { header, content } of all) {
    if (content === undefined) tar.entry(header);
    else tar.entry(header, content);
  }
  tar.finalize();
  return made;
}

function foldersOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, at) => `${parts.slice(0, at + 1).join("/")}/`);
}
