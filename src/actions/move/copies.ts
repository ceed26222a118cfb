import type { Config } from "../../config/schema.ts";
import { RelayError } from "../../errors.ts";
import type { Store } from "../../store/store.ts";
import { nameOfPlace, placeOfTarget, type Target, typeOf } from "../../targets/table.ts";
import { showTask, type TaskJson } from "../tasks.ts";

// Copies that are elsewhere than in the present target, and the task that moves them there.

type Sum = { copies: number; bytes: number };

/** What a move would move, by where it is, and what earlier ones have left there. Bytes; `seconds` at the rate, null: no rate. */
export type Movable = Sum & { seconds: number | null; to: string; from: (Sum & { place: string })[]; left: Sum };

/** The id of the target that the config names; null: it has never held a copy. Writes nothing. */
export async function findPresent(store: Pick<Store, "targets">, target: Target): Promise<string | null> {
  const name = nameOfPlace(placeOfTarget(target));
  return (await store.targets()).find(({ place }) => nameOfPlace(place) === name)?.id ?? null;
}

/**
 * Counts what a move would do now. `rate`: bytes a second; null: no limit. RelayError("conflict") where no relay has opened the
 * config's target yet. It may take long: `signal` ends it.
 */
export async function countMovable(
  store: Pick<Store, "targets" | "copiesElsewhere">,
  target: Target,
  { rate, signal }: { rate: number | null; signal?: AbortSignal },
): Promise<Movable> {
  const to = typeOf(target).describe(placeOfTarget(target));
  const present = await findPresent(store, target);
  if (present === null) throw new RelayError("conflict", `no relay has used ${to} yet: reload or start it first`);
  const all: Sum = { copies: 0, bytes: 0 };
  const left: Sum = { copies: 0, bytes: 0 };
  const by = new Map<string, Sum>();
  const add = (sum: Sum, bytes: number | null) => {
    sum.copies++;
    sum.bytes += bytes ?? 0;
  };
  for (let from: string | null = null; ; ) {
    signal?.throwIfAborted();
    const part = await store.copiesElsewhere(present, from);
    for (const { target, bytes } of part.copies) {
      const sum = by.get(target) ?? { copies: 0, bytes: 0 };
      by.set(target, sum);
      for (const one of [all, sum]) add(one, bytes);
    }
    for (const { bytes } of part.left) add(left, bytes);
    if (part.next === null) break;
    from = part.next;
  }
  const places = new Map((await store.targets()).map(({ id, place }) => [id, typeOf(place).describe(place)]));
  const from = [...by].map(([id, sum]) => ({ place: places.get(id) ?? id, ...sum }));
  return { ...all, seconds: rate === null ? null : Math.ceil(all.bytes / rate), to, from, left };
}

/**
 * Makes the task that moves what is elsewhere; the relay works it. `expect`: how many copies were confirmed:
 * RelayError("count_changed") where there are more by now. RelayError("task_running") while another one has not ended.
 */
export async function startMove(
  store: Store,
  { mirror }: Pick<Config, "mirror">,
  how: { deleteSource: boolean; rate: number | null; expect: number | null; by: string; signal?: AbortSignal },
  now: number,
): Promise<TaskJson> {
  const { deleteSource, rate, expect, by, signal } = how;
  const { copies } = await countMovable(store, mirror.target, { rate, ...(signal && { signal }) });
  if (expect !== null && copies > expect) {
    const message = `${copies} copies are elsewhere by now, ${expect} were confirmed: nothing was done`;
    throw new RelayError("count_changed", message);
  }
  const options = { ...(deleteSource && { deleteSource }), ...(rate !== null && { rate }) };
  const { id } = await store.createRun({ verb: "move", options, by, total: copies }, now);
  return showTask(store, id);
}
