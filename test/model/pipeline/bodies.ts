import { copyFileSync, linkSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { type Life, type LifeOptions, openLife } from "./life.ts";

/** A process that lives the pipeline's life in a folder, and can be killed at any moment. */
export type Body = {
  life: Life;
  isDead(): boolean;
  /** It dies now: what it has on the disk stays as it is. */
  kill(): void;
  /** After its death: nothing of it is left but the folder for the next one, `current` in the folder of all of them. */
  bury(): Promise<void>;
};

/** `folder`: of all lives; `current` in it leads to the files of the one that is lived. */
export type OpenBody = (folder: string, options: Omit<LifeOptions, "folder" | "targets" | "die">) => Promise<Body>;

/** Throws Dead where the body died while it was opened. */
export class StillBorn extends Error {
  override readonly name = "StillBorn";
  readonly body: Pick<Body, "bury">;
  constructor(body: Pick<Body, "bury">) {
    super("it died at its start");
    this.body = body;
  }
}

/**
 * A life in this process. Its death is a photograph of its files, taken between two of its steps: the next life goes on with
 * the copy, and whatever the dead one still does to the original is seen by nobody.
 */
export const openInProcess: OpenBody = async (folder, options) => {
  const mine = filesOf(folder);
  const next = `${join(folder, "life")}-${Number(mine.split("-").at(-1)) + 1}`;
  const die = () => photograph(mine, next);
  const bury = async () => {
    await abandon();
    pointTo(folder, next);
    rmSync(mine, { recursive: true, force: true });
  };
  let abandon = async () => {};
  try {
    const life = await openLife({ ...options, folder: mine, targets: join(folder, "current", "targets"), die });
    abandon = life.abandon;
    if (life.isDead()) throw new StillBorn({ bury });
    const kill = () => {
      if (life.isDead()) return;
      die();
      life.kill();
    };
    return { life, isDead: life.isDead, kill, bury };
  } catch (error) {
    if (error instanceof StillBorn || !(error instanceof Error) || error.name !== "Killed") throw error;
    throw new StillBorn({ bury });
  }
};

/** The folder of the life that is lived now; the first one is made. */
export function filesOf(folder: string): string {
  const found = readdirSync(folder).filter((name) => name.startsWith("life-"));
  if (found.length === 1) return join(folder, found[0]!);
  if (found.length > 1) throw new Error(`of one life more than its files: ${found}`);
  mkdirSync(join(folder, "life-0", "targets"), { recursive: true });
  pointTo(folder, join(folder, "life-0"));
  return join(folder, "life-0");
}

function pointTo(folder: string, life: string): void {
  symlinkSync(life, join(folder, "next"));
  renameSync(join(folder, "next"), join(folder, "current"));
}

/** Copies files as they are at one moment. Hard links stay hard links. */
function photograph(from: string, to: string): void {
  for (let tries = 0; tries < 100; tries++) {
    const before = listing(from);
    rmSync(to, { recursive: true, force: true });
    try {
      copyAll(from, to, new Map());
    } catch (error) {
      if ((error as { code?: string }).code === "ENOENT") continue;
      throw error;
    }
    // A call to the system that was under way has ended by now; none is begun meanwhile.
    if (listing(from) === before) return;
  }
  throw new Error(`${from} does not hold still`);
}

function copyAll(from: string, to: string, copied: Map<number, string>): void {
  mkdirSync(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, copy] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) {
      copyAll(source, copy, copied);
      continue;
    }
    const { ino } = lstatSync(source);
    // The reserve is 16 MiB of nothing that anybody reads.
    const same = entry.name === "reserve" ? source : copied.get(ino);
    if (same === undefined) copyFileSync(source, copy);
    else linkSync(same, copy);
    copied.set(ino, copy);
  }
}

function listing(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      const { ino, size, mtimeMs } = lstatSync(path, { throwIfNoEntry: false }) ?? {};
      return `${path} ${ino} ${size} ${mtimeMs}`;
    })
    .sort()
    .join("\n");
}
