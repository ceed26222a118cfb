import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../../../src/ports.ts";
import { openProvider, type Provider } from "../../../src/simulator/provider.ts";
import { seededRandom } from "../random.ts";
import { realPorts } from "../real-ports.ts";
import { openReceiver } from "../receiver.ts";
import { endpointTo } from "../relay-in-folder.ts";
import { lastingPort, spawnServe } from "../serve-process.ts";
import { finish, spawnCli } from "../spawn.ts";
import { type Leaves, openDisk } from "./image.ts";
import { readJournal, type Step } from "./journal.ts";
import { judgeImage } from "./judge.ts";
import { recordDisk } from "./recorder.ts";

const SENDERS = 6;

/** How the process of a power cut test goes, and what of it is looked at. */
export type PowerCutOptions = {
  /** Events to post. */
  events: number;
  /** Moments at which the power is cut; each gives five images: strict, names, and three torn ones. */
  moments: number;
  seed: string;
  /** Milliseconds between two syncs that fail; null: none fails. */
  failEvery: number | null;
};

export type PowerCutResult = {
  summary: string;
  figures: { images: number; acknowledged: number; failedSyncs: number; mirrored: number };
  problems: string[];
};

/**
 * Records every write, sync, rename and answer of a relay under load, with media, deliveries and commands beside it, up to a
 * kill; then makes of the record what a power cut at many moments may leave on the disk, and judges each.
 */
export async function runPowerCut(options: PowerCutOptions): Promise<PowerCutResult> {
  const { seed, failEvery } = options;
  const random = seededRandom(`power cut ${seed}`);
  const dir = mkdtempSync(join(tmpdir(), "wochit-relay-powercut-"));
  try {
    const root = join(dir, "disk");
    mkdirSync(root, { mode: 0o700 });
    const journal = join(dir, "journal");
    const { failedSyncs, answered } = await record({ ...options, dir, root, journal, random });
    const steps = readJournal(journal);
    const judged = judgeAll(steps, root, join(dir, "image"), options.moments, random);
    const problems = [...judged.problems];
    // Else nothing of what the record says would mean anything.
    if (judged.acknowledged !== answered)
      problems.unshift(`${answered} events were answered 200, ${judged.acknowledged} are in the record`);
    if (failEvery !== null && failedSyncs === 0) problems.unshift("no sync has failed");
    const figures = {
      images: judged.images,
      acknowledged: judged.acknowledged,
      failedSyncs,
      mirrored: judged.mirrored,
    };
    const summary = `${figures.images} images of ${steps.length} steps, ${figures.acknowledged} acknowledged events, ${figures.mirrored} copies, ${failedSyncs} syncs failed: ${problems.length} problems`;
    return { summary, figures, problems };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

type Recording = PowerCutOptions & { dir: string; root: string; journal: string; random: Random };

/** Runs the relay, and everything around it, up to its kill. `answered`: events that were answered 200. */
async function record(given: Recording): Promise<{ failedSyncs: number; answered: number }> {
  const { dir, root, journal, random, events, failEvery } = given;
  const { env, faults } = recordDisk({ root, journal, faultsFile: join(dir, "faults") });
  const provider = await openProvider(realPorts());
  const app = await openReceiver(() => (random.float() < 0.3 ? 500 : 200));
  const port = await lastingPort();
  const configPath = join(dir, "config.json");
  const retry = Array.from({ length: 8 }, () => "300ms");
  writeFileSync(
    configPath,
    JSON.stringify({
      dataDir: join(root, "data"),
      admin: null,
      server: { listen: `127.0.0.1:${port}`, publicUrl: `http://127.0.0.1:${port}` },
      receive: { allowFrom: ["127.0.0.1"] },
      mirror: { allowPrivateAddresses: true, minFreeDisk: 0 },
      endpoints: [
        endpointTo(`${app.url}/a`, { id: "a", retry }),
        endpointTo(`${app.url}/b`, { id: "b", body: "verbatim", retry }),
      ],
    }),
  );
  const relay = spawnServe({ configPath, port, env });
  try {
    await relay.ready();
    const failing = new AbortController();
    const faulty = failEvery === null ? Promise.resolve() : failNowAndThen(faults, failEvery, random, failing.signal);
    const answered = await postAll(`http://127.0.0.1:${port}/webhooks/wochit`, events, provider, random);
    failing.abort();
    await faulty;
    for (const command of [
      ["endpoints", "pause", "b"],
      ["endpoints", "resume", "b"],
      ["videos", "forget", "draft-3", "--yes"],
    ]) {
      const { code, stderr } = await finish(spawnCli([...command, "--config", configPath], { env }));
      if (code !== 0) throw new Error(`"${command.join(" ")}" ended with ${code}: ${stderr}`);
    }
    await sleep(500);
    return { failedSyncs: faults.get("failed"), answered };
  } finally {
    await relay.kill();
    faults.close();
    await app.close();
    await provider.close();
  }
}

async function failNowAndThen(
  faults: ReturnType<typeof recordDisk>["faults"],
  every: number,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    faults.set("syncsToPass", Math.floor(random.float() * 10));
    faults.set("syncsToFail", 1);
    await sleep(every, undefined, { signal }).catch(() => {});
  }
  faults.set("syncsToFail", 0);
}

/** Returns how many were answered 200. */
async function postAll(url: string, events: number, provider: Provider, random: Random): Promise<number> {
  let next = 0;
  let answered = 0;
  async function sender(): Promise<void> {
    for (let n = next++; n < events; n = next++) {
      const pad = "p".repeat(Math.floor(random.float() * 3_000));
      const media = n % 4 === 0 && { type: "video.ready", wochitVideoId: `video-${n}`, ...announce(provider, n) };
      const body = JSON.stringify({ type: "draft.update", wochitVideoId: `draft-${n % 100}`, n, pad, ...media });
      const answer = await fetch(url, { method: "POST", body });
      await answer.arrayBuffer();
      if (answer.status === 200) answered++;
      else if (answer.status !== 503) throw new Error(`an event was answered ${answer.status}`);
      await sleep(random.float() * 20);
    }
  }
  await Promise.all(Array.from({ length: SENDERS }, sender));
  return answered;
}

function announce(provider: Provider, n: number) {
  const film = provider.addVideo(`video-${n}`, n % 40 === 0 ? { bytes: 2_500_000 } : {});
  return { videoUrl: film.link(), thumbnailUrl: provider.addThumbnail(`video-${n}`).link() };
}

const VARIANTS: Leaves[] = ["names", "strict", "torn", "torn", "torn"];

/** Half of the moments are right after an acknowledgement, which is when there is most to lose. */
function chooseMoments(steps: Step[], count: number, random: Random): Set<number> {
  const answers = steps.flatMap(({ is }, at) => (is === "answer" ? [at + 1] : []));
  const chosen = new Set([steps.length]);
  const tries = 20 * count;
  for (let n = 0; chosen.size < Math.min(count, steps.length) && n < tries; n++) {
    const isAnswer = n % 2 === 0 && answers.length > 0;
    const at = isAnswer
      ? answers[Math.floor(random.float() * answers.length)]!
      : 1 + Math.floor(random.float() * steps.length);
    chosen.add(at);
  }
  return chosen;
}

function judgeAll(steps: Step[], root: string, imageDir: string, count: number, random: Random) {
  const moments = chooseMoments(steps, count, random);
  const disk = openDisk(root);
  const acknowledged = new Set<string>();
  const problems: string[] = [];
  let images = 0;
  for (const [at, step] of steps.entries()) {
    disk.apply(step);
    if (step.is === "answer") {
      for (const [, id] of step.text.matchAll(/\{"id":"(evt_\w+)","status":"accepted"\}/g)) acknowledged.add(id!);
    }
    if (!moments.has(at + 1)) continue;
    for (const leaves of VARIANTS) {
      images++;
      disk.writeImage(imageDir, leaves, random);
      for (const problem of judgeImage(imageDir, acknowledged)) {
        problems.push(`power cut after step ${at + 1} of ${steps.length}, ${leaves}: ${problem}`);
      }
    }
  }
  const mirrored = steps.filter((step) => step.is === "link" && step.to.startsWith(join(root, "data/media"))).length;
  return { images, acknowledged: acknowledged.size, mirrored, problems };
}
