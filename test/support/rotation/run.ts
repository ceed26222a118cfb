import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import type { ConfigInput } from "../../../src/config/schema.ts";
import { seededRandom } from "../random.ts";
import { lastingPort, spawnServe } from "../serve-process.ts";
import { waitFor } from "../wait.ts";
import { type Consumer, newConsumer, openConsumers } from "./consumer.ts";
import { type Name, newEd25519Secret, newHmacSecret, type Place, STEPS, secretsOf } from "./secrets.ts";

export type RotationOptions = {
  /** Deliveries to each endpoint, at least: there are more where a step needs them. */
  deliveries: number;
  seed: string;
  onStep?: (line: string) => void;
};

export type RotationReport = { summary: string; problems: string[]; folder: string };

/** Requests to the relay at once, and how many deliveries it may be behind before the next is posted: a part of all. */
const POSTING = 8;
const BEHIND = 0.05;

/** Events are about this many videos, which are lanes. */
const VIDEOS = 60;

/** A lost delivery is not waited for longer. Milliseconds. */
const PATIENCE = 120_000;

/** At least this part of the events is posted while a step holds. */
const SHARE = 0.2;

/** An endpoint for each place of secrets; of one consumer that accepts both secrets for a while, or one at a time. */
function makeConsumers(): Consumer[] {
  const two = (): Record<Name, ReturnType<typeof newHmacSecret>> => ({ A: newHmacSecret(), B: newHmacSecret() });
  const places: Place[] = ["inline", "file", "credential"];
  return [
    ...places.map((place) => newConsumer({ id: place, place, secrets: two(), hasOne: false })),
    newConsumer({ id: "one-at-a-time", place: "file", secrets: two(), hasOne: true }),
    newConsumer({
      id: "to-ed25519",
      place: "file",
      secrets: { A: newHmacSecret(), B: newEd25519Secret() },
      hasOne: false,
    }),
  ];
}

/**
 * Changes the secrets of a real relay's endpoints under load, A, then A and B, B and A, B, by SIGHUP, while the consumers follow
 * as docs/CONSUME.md says ("When the secret changes"). A problem is a message that a consumer refused, one that is signed by
 * what no longer held when its event came, one out of order, and one that never came.
 */
export async function runRotation({ deliveries, seed, onStep }: RotationOptions): Promise<RotationReport> {
  const folder = await mkdtemp(join(tmpdir(), "wochit-relay-rotation-"));
  const credentials = join(folder, "credentials");
  await mkdir(credentials);
  const problems: string[] = [];
  const consumers = makeConsumers();
  /** From which event on each step holds: it was posted when the relay had said that it took the step. */
  const from = STEPS.map((_, step) => (step === 0 ? 0 : Number.POSITIVE_INFINITY));
  const stepAt = (serial: number) => from.findLastIndex((first) => serial >= first);
  const app = await openConsumers(consumers, { random: seededRandom(`${seed} app`), stepAt, problems });
  const port = await lastingPort();
  const configPath = join(folder, "config.json");

  async function write(step: number): Promise<void> {
    const endpoints: ConfigInput["endpoints"] = [];
    for (const { id, place, secrets } of consumers) {
      const { secret, files } = secretsOf(place, id, step, secrets);
      for (const [name, text] of Object.entries(files))
        await writeFile(join(place === "credential" ? credentials : folder, name), `${text}\n`);
      const retry = Array.from({ length: 30 }, (_, n) => (n < 4 ? `${40 * 2 ** n}ms` : "1s"));
      endpoints.push({ id, url: `${app.url}/${id}`, secret, retry });
    }
    const config: ConfigInput = {
      dataDir: "data",
      admin: null,
      server: { listen: `127.0.0.1:${port}` },
      receive: { allowFrom: ["127.0.0.1"] },
      mirror: { minFreeDisk: 0 },
      endpoints,
      log: { format: "json" },
    };
    await writeFile(configPath, JSON.stringify(config));
  }

  await write(0);
  let taken = 0;
  const relay = spawnServe({
    configPath,
    port,
    env: { CREDENTIALS_DIRECTORY: credentials },
    onLine(line) {
      if (line.includes('"msg":"config taken"')) taken++;
      if (/"msg":"config (refused|problem)/.test(line)) problems.push(line);
      if (/whs(ec|k)_/.test(line)) problems.push(`a secret is in the log: ${line.slice(0, 200)}`);
    },
  });
  const agent = new Agent({ connections: POSTING });
  let next = 0;
  let posted = 0;
  let isOver = false;
  const behind = () => posted - Math.min(...consumers.map((consumer) => consumer.taken.size));
  /** Whether enough was posted since a step was taken. */
  const isLong = (step: number) => posted >= from[step]! + SHARE * deliveries;

  async function post(): Promise<void> {
    while ((next < deliveries || !isLong(STEPS.length - 1)) && !isOver && !relay.hasEnded()) {
      if (behind() > BEHIND * deliveries) {
        await sleep(2);
        continue;
      }
      const serial = next++;
      const body = JSON.stringify({
        type: "video.autosaved",
        wochitVideoId: `v${serial % VIDEOS}`,
        title: `#${serial}`,
      });
      const url = `http://127.0.0.1:${port}/webhooks/wochit`;
      const answer = await request(url, { method: "POST", body, dispatcher: agent });
      await answer.body.dump();
      if (answer.statusCode !== 200) problems.push(`event ${serial} was answered ${answer.statusCode}`);
      posted++;
    }
  }

  async function takeStep(step: number): Promise<void> {
    await waitFor(() => isLong(step - 1), PATIENCE);
    await write(step);
    const before = taken;
    process.kill(relay.pid, "SIGHUP");
    await waitFor(() => taken > before || relay.hasEnded());
    from[step] = next;
    onStep?.(`${STEPS[step]!.join(" and ")} signs from event ${next} on; ${behind()} deliveries are behind`);
  }

  /** Until all that was posted before a step has been taken: what comes from now on is signed as it says, or later. */
  async function settled(step: number): Promise<void> {
    const isTaken = ({ taken }: Consumer) => {
      for (let serial = 0; serial < from[step]!; serial++) if (!taken.has(serial)) return false;
      return true;
    };
    await waitFor(() => consumers.every(isTaken), PATIENCE);
  }

  const accept = (isOne: boolean, names: Name[]) => {
    for (const consumer of consumers) if (consumer.hasOne === isOne) consumer.accepts = names;
  };

  async function rotate(): Promise<void> {
    accept(false, ["A", "B"]);
    await takeStep(1);
    await settled(1);
    accept(true, ["B"]);
    await takeStep(2);
    await takeStep(3);
    await settled(3);
    accept(false, ["B"]);
  }

  try {
    await relay.ready();
    await Promise.all([rotate(), ...Array.from({ length: POSTING }, post)]);
    await waitFor(() => behind() === 0, PATIENCE);
  } catch (error) {
    problems.push(`${(error as Error).message.slice(0, 200)}\n${relay.lastLines().slice(-5).join("\n")}`);
  } finally {
    isOver = true;
    const { code, signal } = await relay.stop();
    if (code !== 0) problems.push(`the relay ended with ${code ?? signal}`);
    await agent.destroy();
    await app.close();
  }
  for (const { id, taken, bySteps } of consumers) {
    if (taken.size < posted) problems.push(`${id}: ${posted - taken.size} deliveries are lost`);
    for (const [step, count] of bySteps.entries())
      if (count === 0) problems.push(`${id}: nothing was signed as at step ${step}`);
  }
  if (problems.length === 0) await rm(folder, { recursive: true, force: true });
  const sum = (of: keyof Consumer["counts"]) => consumers.reduce((all, { counts }) => all + counts[of], 0);
  const summary = [
    `rotation, seed ${seed}: ${posted} events for each of ${consumers.length} endpoints`,
    `requests ${sum("requests")}, rejected ${sum("rejected")}, answered 503 on purpose ${sum("refusedOnPurpose")}`,
    `repeated ${sum("repeated")}`,
    ...consumers.map(({ id, bySteps }) => `${id} by steps ${bySteps.join("/")}`),
    `problems ${problems.length}`,
  ].join(", ");
  return { summary, problems, folder };
}
