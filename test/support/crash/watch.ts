import type { Stats } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nullWhereMissing } from "../../../src/platform/files/file-system.ts";
import { sha256Of } from "../bytes.ts";
import type { World } from "./world.ts";

/** A folder is looked at again and again for this long after it appeared; all of them after every kill. */
const FRESH_FOR = 10_000;

export type Watch = {
  problems: string[];
  /** Visible files that were read and found whole, and how often the folder was looked at. */
  counts: { checked: number; looks: number };
  /** Looks at everything, now. */
  lookAtAll(): Promise<void>;
  stop(): Promise<void>;
};

/**
 * Reads the folder of the copies over and over while the relay runs and is killed: whatever a reader can see must be a
 * whole file that the provider once served. Names that begin with a dot are no copies (no key begins with one).
 */
export function watchMedia(dir: string, world: World): Watch {
  const problems: string[] = [];
  const counts = { checked: 0, looks: 0 };
  const known = new Map<string, string>();
  const firstSeen = new Map<string, number>();
  let stopped = false;

  async function look(all: boolean): Promise<void> {
    counts.looks++;
    const now = Date.now();
    for (const folder of await list(dir)) {
      if (!firstSeen.has(folder)) firstSeen.set(folder, now);
      if (!all && now - firstSeen.get(folder)! > FRESH_FOR) continue;
      for (const name of await list(join(dir, folder))) await check(join(folder, name));
    }
  }

  async function check(path: string): Promise<void> {
    const seen = await stat(join(dir, path)).catch(nullWhereMissing);
    if (seen === null || known.get(path) === markOf(seen)) return;
    const file = await open(join(dir, path), "r").catch(nullWhereMissing);
    if (file === null) return; // replaced or removed since it was listed
    try {
      const before = markOf(await file.stat());
      const bytes = await file.readFile();
      const after = markOf(await file.stat());
      if (after !== before) problems.push(`${path} was written to while it could be read: ${before}, then ${after}`);
      const sha256 = sha256Of(bytes);
      counts.checked++;
      known.set(path, before);
      if (!hashes().has(sha256))
        problems.push(`${path} is visible and no file of the provider's: ${bytes.length} bytes, ${sha256}`);
    } finally {
      await file.close();
    }
  }

  let size = -1;
  let cache = new Set<string>();
  /** Every hash that may be seen; made anew only when there are more videos or thumbnails. */
  function hashes(): Set<string> {
    const lists = [...world.videos.values(), ...world.thumbnails.values()];
    const now = lists.reduce((sum, each) => sum + ("size" in each ? each.size : each.length), 0);
    if (now !== size) {
      size = now;
      cache = new Set(lists.flatMap((each) => [...each]));
    }
    return cache;
  }

  async function loop(): Promise<void> {
    while (!stopped) {
      await look(false);
      await sleep(8);
    }
  }

  const done = loop().catch((error) => void problems.push(`the watch broke: ${error}`));
  return {
    problems,
    counts,
    lookAtAll: () => look(true),
    async stop() {
      stopped = true;
      await done;
      await look(true);
    },
  };
}

/** What changes whenever somebody writes into a file. (Not ctime: a link of it that comes or goes changes that.) */
function markOf({ ino, size, mtimeMs }: Stats): string {
  return `${ino} ${size} ${mtimeMs}`;
}

async function list(dir: string): Promise<string[]> {
  return ((await readdir(dir).catch(nullWhereMissing)) ?? []).filter((name) => !name.startsWith("."));
}
