import type { Config } from "../config/schema.ts";
import { errorLine, RelayError } from "../errors.ts";
import type { Clock, Log } from "../ports.ts";
import type { Store } from "../store/store.ts";
import {
  defaultTarget,
  nameOfPlace,
  namesOfCopy,
  openTarget,
  placeOfTarget,
  type Target,
  type TargetPlace,
  typeOf,
} from "../targets/table.ts";
import type { MirrorTarget, Opening } from "../targets/target.ts";

/**
 * Opens the targets of a data folder. A present target that cannot be opened now throws on use, and is opened by the
 * first use that succeeds: without its target a relay still takes events and downloads media. `beside`: another process
 * may use the target. Relays of one store have it together.
 */
export async function openTargets(options: {
  config: Pick<Config["mirror"], "target"> & Partial<Pick<Config["mirror"], "formerTargets">>;
  dataDir: string;
  store: Pick<Store, "targetId" | "targets"> & Partial<Pick<Store, "shared">>;
  clock?: Clock;
  log?: Pick<Log, "info" | "warn" | "error">;
  beside?: boolean;
  open?(config: Target, opening: Opening): Promise<MirrorTarget>;
}) {
  const { dataDir, store, clock, log, beside = false, open = openTarget } = options;
  const { target: config, formerTargets = [] } = options.config;
  const place = placeOfTarget(config);
  // Before there were several targets, copies were in the folder that the config named, or else in the default one.
  const before = placeOfTarget(defaultTarget(dataDir));
  const presentId = await store.targetId(place, place.type === before.type ? place : before);
  const opened = new Map<string, Promise<MirrorTarget>>();

  function openOnce(id: string, openIt: () => Promise<MirrorTarget>): Promise<MirrorTarget> {
    const known = opened.get(id);
    if (known !== undefined) return known;
    const opening = openIt();
    opened.set(id, opening);
    // The next use tries again.
    opening.catch(() => opened.delete(id));
    return opening;
  }

  async function openFormer(place: TargetPlace): Promise<MirrorTarget> {
    const openAsFormer = (target: Target) => open(target, { access: "former", clock, log });
    const configured = formerTargets.find((one) => nameOfPlace(placeOfTarget(one)) === nameOfPlace(place));
    if (configured !== undefined) return openAsFormer(configured);
    return typeOf(place).openFormer(place, config.type === place.type ? config : null, openAsFormer);
  }

  const access = beside ? "shared" : store.shared ? "joint" : "own";
  const openPresent = () => openOnce(presentId, () => open(config, { access, clock, log }));
  await openPresent().catch((error) => log?.error("mirror target cannot be used yet", { error: errorLine(error) }));
  const present = whenOpen(openPresent);

  return {
    present,
    /** The id of the present target in media rows. */
    presentId,

    /**
     * The target with this id; null: the id is unknown. A former target is opened at its first use. Throws
     * RelayError("target_unavailable") where it cannot be opened now.
     */
    async at(id: string): Promise<MirrorTarget | null> {
      if (id === presentId) return present;
      const former = (await store.targets()).find((target) => target.id === id);
      if (former === undefined) return null;
      try {
        return await openOnce(id, () => openFormer(former.place));
      } catch (error) {
        if (error instanceof RelayError) throw error;
        const message = `${typeOf(former.place).describe(former.place)}, where copies were kept before, cannot be used: ${errorLine(error)}`;
        throw new RelayError("target_unavailable", message, { cause: error });
      }
    },

    /** All names that media rows may have for this copy, its own first: one place may have several paths or addresses. */
    namesOf: async (copy: { target: string; key: string }) => namesOfCopy(copy, await store.targets()),

    async close(): Promise<void> {
      const all = await Promise.allSettled(opened.values());
      opened.clear();
      await Promise.all(all.map((one) => one.status === "fulfilled" && one.value.close()));
    },
  };
}

/** The target of the config, and the former targets that hold copies. */
export type Targets = Awaited<ReturnType<typeof openTargets>>;

/** A target that opens itself before each verb. */
function whenOpen(open: () => Promise<MirrorTarget>): MirrorTarget {
  return {
    put: async (...given) => (await open()).put(...given),
    head: async (...given) => (await open()).head(...given),
    delete: async (...given) => (await open()).delete(...given),
    open: async (...given) => (await open()).open(...given),
    read: async (...given) => (await open()).read(...given),
    file: async (...given) => (await open()).file(...given),
    list: async (...given) => (await open()).list(...given),
    oddities: async () => (await open()).oddities(),
    close: async () => (await open()).close(),
  };
}
