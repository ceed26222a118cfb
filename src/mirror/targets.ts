import { realpath } from "node:fs/promises";
import { join } from "node:path";
import type { Config, LocalTarget, S3Target } from "../config.ts";
import type { Clock, Log, TargetPlace } from "../domain.ts";
import { errorLine, RelayError } from "../errors.ts";
import type { Store } from "../store/store.ts";
import { type Access, type MirrorTarget, type Opening, openTarget, placeOfTarget } from "./target.ts";

/** The target that the config names, and those that it named before and that hold copies still. */
export type Targets = {
  present: MirrorTarget;
  /** What media rows say of copies in the present one. */
  presentId: string;
  /**
   * The target with this id; null: there never was one. A former one is opened when it is first asked for. Throws
   * RelayError("target_unavailable") where it cannot be opened now.
   */
  at(id: string): Promise<MirrorTarget | null>;
  /** All ids of the place that this id stands for: a folder may be reached by several paths. */
  namesOf(id: string): Promise<string[]>;
  close(): Promise<void>;
};

type Open = (config: LocalTarget | S3Target, opening: Opening) => Promise<MirrorTarget>;

/**
 * Opens the targets of a data folder. A present one that cannot be opened now is opened when it is next asked for, and
 * throws until then: a relay without its target still takes events and saves what the links lead to.
 * `beside`: another process may be working on it.
 */
export async function openTargets(options: {
  config: Pick<Config["mirror"], "target">;
  dataDir: string;
  store: Pick<Store, "targetId" | "targets">;
  clock?: Clock;
  log?: Pick<Log, "info" | "warn" | "error">;
  beside?: boolean;
  open?: Open;
}): Promise<Targets> {
  const { dataDir, store, clock, log, beside = false } = options;
  const { target: config } = options.config;
  const open = options.open ?? (openTarget as Open);
  // Before there were several targets, copies were here unless the config said otherwise.
  const before: TargetPlace | undefined =
    config.type === "local" ? undefined : { type: "local", dir: join(dataDir, "media") };
  const presentId = await store.targetId(placeOfTarget(config), before);
  const opened = new Map<string, Promise<MirrorTarget>>();

  function openOnce(id: string, config: LocalTarget | S3Target, access: Access): Promise<MirrorTarget> {
    const known = opened.get(id);
    if (known !== undefined) return known;
    const opening = open(config, { access, clock, log });
    opened.set(id, opening);
    // What cannot be opened now may be later.
    opening.catch(() => opened.delete(id));
    return opening;
  }

  const openPresent = () => openOnce(presentId, config, beside ? "shared" : "own");
  await openPresent().catch((error) => log?.error("mirror target cannot be used yet", { error: errorLine(error) }));
  const present = whenOpen(openPresent);

  return {
    present,
    presentId,

    async at(id) {
      if (id === presentId) return present;
      const former = (await store.targets()).find((target) => target.id === id);
      if (former === undefined) return null;
      try {
        return await openOnce(id, formerConfig(former.place, config), "former");
      } catch (error) {
        if (error instanceof RelayError) throw error;
        const message = `${nameOf(former.place)}, where copies were kept before, cannot be used: ${errorLine(error)}`;
        throw new RelayError("target_unavailable", message, { cause: error });
      }
    },

    async namesOf(id) {
      const all = await store.targets();
      const dirs = await Promise.all(all.map(({ place }) => dirOf(place)));
      const mine = dirs[all.findIndex((target) => target.id === id)];
      const same = all.filter((target, at) => target.id !== id && mine && dirs[at] === mine);
      return [id, ...same.map((target) => target.id)];
    },

    async close() {
      const all = await Promise.allSettled(opened.values());
      opened.clear();
      await Promise.all(all.map((one) => one.status === "fulfilled" && one.value.close()));
    },
  };
}

/** A target whose every verb first sees to it that it is open. */
function whenOpen(open: () => Promise<MirrorTarget>): MirrorTarget {
  return {
    put: async (...given) => (await open()).put(...given),
    head: async (...given) => (await open()).head(...given),
    delete: async (...given) => (await open()).delete(...given),
    open: async (...given) => (await open()).open(...given),
    read: async (...given) => (await open()).read(...given),
    close: async () => (await open()).close(),
  };
}

/** How to get to a place that the config named before: with its present keys where they are for the same endpoint. */
function formerConfig(place: TargetPlace, present: LocalTarget | S3Target): LocalTarget | S3Target {
  if (place.type === "local") return place;
  const isSame = present.type === "s3" && present.endpoint === place.endpoint;
  return {
    ...place,
    credentials: isSame ? present.credentials : null,
    ca: isSame ? present.ca : null,
    storageClass: null,
    serverSideEncryption: null,
    kmsKeyId: null,
    cacheControl: null,
  };
}

function nameOf(place: TargetPlace): string {
  return place.type === "local" ? place.dir : `the bucket ${place.bucket}`;
}

/** The folder itself, by whatever path it is reached; null: none, or gone. */
async function dirOf(place: TargetPlace): Promise<string | null> {
  return place.type === "local" ? realpath(place.dir).catch(() => null) : null;
}
