import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openForgetfulStore } from "../../support/forgetful-store.ts";
import { Broken } from "../broken.ts";
import { shrink } from "../shrink.ts";
import { type OpenBody, openInProcess } from "./bodies.ts";
import { type Command, commandsOf, type Made } from "./commands.ts";
import { openHost } from "./host.ts";
import { removeFolder, World } from "./world.ts";

/** Commands of a walk unless told. */
const LENGTH = 60;

export type Played = { kills: number; broken: { promise: string; detail: string; step: number } | null };

/** Plays a walk: its commands, then fine weather, then the judgement. */
export async function playWalk({ list, settings }: Made, openBody: OpenBody = openInProcess): Promise<Played> {
  const folder = mkdtempSync(join(tmpdir(), "wochit-relay-pipeline-"));
  const ends: (() => unknown)[] = [() => removeFolder(folder)];
  const usesBucket = list.some((command) => command.do === "config" && command.change.target === "bucket");
  const s3 = usesBucket ? await openForgetfulStore({ after: (end) => void ends.push(end as () => unknown) }) : null;
  const objects = () => [...(s3?.store.objects.keys() ?? [])];
  const world = new World({ folder, openBody, bucket: s3?.config ?? null, objects }, settings);
  const host = await openHost(world.clock, world.onPiece);
  ends.push(() => host.close());
  let step = 0;
  try {
    await world.begin(host);
    ends.push(() => world.close());
    for (const command of list) {
      step++;
      await world.apply(command);
    }
    await world.drain();
    return { kills: world.kills, broken: null };
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    const detail = [error.message, ...(await world.describe())].join("\n  ");
    return { kills: world.kills, broken: { promise: error.promise, detail, step } };
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

export type Walked = { kills: number; said: string | null };

/** The walk of a seed. What is not kept is said with the shortest list that was found. */
export async function walk(
  seed: number,
  { openBody = openInProcess, shorten = true, length = LENGTH } = {},
): Promise<Walked> {
  const made = commandsOf(seed, length);
  const { kills, broken } = await playWalk(made, openBody);
  if (broken === null) return { kills, said: null };
  const { promise, detail } = broken;
  const fails = async (list: Command[]) => (await playWalk({ ...made, list }, openBody)).broken?.promise === promise;
  const list = shorten ? await shrink(made.list, fails) : made.list;
  const lines = [
    `seed ${seed}: ${promise}: not kept`,
    detail,
    ...[made.settings, ...list].map((one) => JSON.stringify(one)),
  ];
  return { kills, said: lines.join("\n  ") };
}
