import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Bench, type Conditions, chooseParts } from "../bench.ts";
import type { Row, Side, Wanted } from "../measure.ts";
import { runProgram } from "../processes.ts";
import { openDisk } from "./disk.ts";
import { sha256OfFile, writeLargeVideo, writeTinyMedia } from "./media-files.ts";
import { hostMedia } from "./nginx.ts";
import type { Place } from "./place.ts";
import { showProfiles } from "./profile.ts";
import { copyWithRelay } from "./relay.ts";
import { openGateway } from "./s3.ts";

const MIB = 2 ** 20;

/** Memory must not follow the file: so much more for four times the bytes is still flat. */
const FLAT = 1.2;

/** What the whole relay may hold with four files at once, in MB. */
const MEMORY = 300;

/** `atMost`: how many times as long as the baseline it may take. */
const places: Record<string, { open(conditions: Conditions): Promise<Place>; against: string; atMost: number }> = {
  disk: { open: openDisk, against: "curl -o F && sync F", atMost: 1.8 },
  s3: { open: openGateway, against: "rclone copyurl", atMost: 1.2 },
};

/**
 * Large videos from a local server, until they are mirrored: from the post of their events to the copies that the target
 * has confirmed. To a disk and to an S3 gateway, one and four at once, each against the plain tool for it.
 */
export const benchMirror: Bench = async (conditions) => {
  const rows: Row[] = [];
  for (const name of chooseParts(conditions, Object.keys(places))) rows.push(...(await measurePlace(name, conditions)));
  return rows;
};

async function measurePlace(name: string, conditions: Conditions): Promise<Row[]> {
  const { open, against, atMost } = places[name]!;
  const [size, larger] = conditions.small ? [16, 64] : [256, 1024];
  const place = await open(conditions).catch((error) => String(error.message));
  if (typeof place === "string") {
    const note = `left out: ${place}`;
    conditions.say(`mirror to ${name} ${note}`);
    return [{ figure: `mirror to ${name}`, unit: "s", baseline: null, ours: null, wanted: null, note }];
  }
  try {
    const measure = (videos: number, mib: number) =>
      measureCase({ name, against, place, videos, size: mib }, conditions);
    const less = await measure(1, size!);
    const one = await measure(1, larger!);
    const four = await measure(4, larger!);
    // Of small files the figures show what a relay costs that has just been started.
    const wish = (wanted: Wanted) => (conditions.small ? null : wanted);
    return [
      less,
      { ...one, wanted: wish({ of: "ratio", atMost }) },
      { ...four, wanted: wish({ of: "ratio", atMost }) },
      {
        figure: `memory, 4 × ${larger} MiB to ${name}`,
        unit: "MB",
        baseline: null,
        ours: memoryOf(four),
        wanted: wish({ of: "ours", atMost: MEMORY }),
      },
      {
        figure: `memory, ${larger} MiB to ${name}, to that for ${size}`,
        unit: "MB",
        baseline: memoryOf(less),
        ours: memoryOf(one),
        wanted: wish({ of: "ratio", atMost: FLAT }),
      },
    ];
  } finally {
    await place.close();
  }
}

type Case = { name: string; against: string; place: Place; videos: number; size: number };

async function measureCase(given: Case, { rounds, folder, say, profile }: Conditions): Promise<Row> {
  const { name, against, place, videos, size } = given;
  const figure = `${videos === 1 ? "" : `${videos} × `}${size} MiB to ${name}`;
  const baseline = { values: [] as number[] } satisfies Side;
  const ours = { values: [] as number[], memory: [] as (number | null)[] } satisfies Side;
  const dir = folder();
  const media = writeTinyMedia(dir);
  writeLargeVideo(media.video, size * MIB);
  const right = await sha256OfFile(media.video);
  const host = await hostMedia(dir, media);

  async function check(keys: string[], at: string): Promise<void> {
    for (const key of keys) {
      if ((await place.sha256Of(key, at)) !== right) throw new Error(`the copy ${key} is not what was served`);
    }
  }

  /** Runs one side in a folder of its own, on a disk that is done with what the other side left to it. */
  async function inTurn<T>(side: (at: string) => Promise<T>): Promise<T> {
    const at = folder();
    await runProgram("sync", []);
    try {
      return await side(at);
    } finally {
      rmSync(at, { recursive: true });
      await place.clear();
    }
  }

  try {
    for (let round = 1; round <= rounds; round++) {
      const urls = Array.from({ length: videos }, (_, count) => `${host.url}/${count}/video.mp4`);
      const plain = await inTurn((at) => timeSeconds(() => place.copyPlainly(urls, at)));
      const profiles = profile === null ? null : join(profile, `${name}-${videos}x${size}-${round}`);
      if (profiles !== null) mkdirSync(profiles, { recursive: true });
      const copied = await inTurn((at) =>
        copyWithRelay({
          dir: at,
          media: host.url,
          videos,
          mirror: { target: place.target },
          profile: profiles,
          check: (keys) => check(keys, at),
        }),
      );
      baseline.values.push(plain);
      ours.values.push(copied.seconds);
      ours.memory.push(copied.memory);
      const memory = copied.memory === null ? "" : `, ${Math.round(copied.memory / 1e6)} MB`;
      const relay = `${copied.seconds.toFixed(2)} s with the relay (${copied.cpu.toFixed(2)} s of processor${memory})`;
      say(`mirror ${figure}: round ${round}, ${plain.toFixed(2)} s with the baseline, ${relay}`);
      if (profiles !== null) say(`${profiles}\n${showProfiles(profiles)}`);
    }
  } finally {
    await host.stop();
    rmSync(dir, { recursive: true });
  }
  const note = `against ${against}${videos === 1 ? "" : `, ${videos} at once`}; media from ${host.name}`;
  return { figure: `mirror ${figure}`, unit: "s", baseline, ours, wanted: null, note };
}

async function timeSeconds(work: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
}

function memoryOf(row: Row): Side {
  return { values: row.ours?.memory?.flatMap((bytes) => (bytes === null ? [] : [bytes / 1e6])) ?? [] };
}
