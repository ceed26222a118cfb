import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import type { ConfigInput } from "../../../src/config/schema.ts";
import { formatSize } from "../../../src/config/units.ts";
import { sha256Of } from "../../../src/platform/files/sha256.ts";
import { type S3Server, startS3Server } from "../s3-server.ts";
import { lastingPort, type ServeProcess, spawnServe } from "../serve-process.ts";
import { callJson, finish, runCli, spawnCli } from "../spawn.ts";
import { waitFor } from "../wait.ts";
import { type Film, filmsOf, serveFilms, sha256OfFilm } from "./films.ts";
import { pollLinks, postEvents } from "./readers.ts";

export type MoveOptions = {
  copies: number;
  /** Of all copies together. */
  bytes: number;
  kills: number;
  /** How long the bucket is away, in milliseconds; 0: never. */
  outage: number;
  /** Events a second. */
  events: number;
  deleteSource: boolean;
  /** Bytes a second that are moved; null: as many as can be. */
  rate: number | null;
  /** Measured before the move, and while it is not disturbed, in milliseconds; 0: nothing is measured. */
  measured: number;
  /** The greatest ratio of p99 with the move to p99 without. */
  mostRatio: number;
  /** How long all of it may take, in milliseconds. */
  within: number;
  onLine?(line: string): void;
};

type Ingest = { p99: number; p50: number; count: number } | null;
type Seen = { task: string; done: number; failed: number; state: string; total: number };

/**
 * Copies in a folder are moved into a bucket (Ceph), while events come, links are read, the relay is killed again and again, and
 * the bucket is away for a while.
 */
export async function runMoveTest(options: MoveOptions): Promise<{ summary: string; problems: string[] }> {
  const { copies, kills, outage, events, deleteSource, measured, within, onLine = () => {} } = options;
  const problems: string[] = [];
  const films = filmsOf(copies, options.bytes);
  const folder = await mkdtemp(join(tmpdir(), "wochit-relay-move-"));
  const host = await serveFilms(films);
  const server = await startS3Server(null, { bytes: Math.max(2 ** 30, 3 * options.bytes) });
  const port = await lastingPort();
  const webhooks = `http://127.0.0.1:${port}/webhooks/wochit`;
  const env = { S3_KEY: server.secretAccessKey };
  const configPath = join(folder, "config.json");
  const state = { relay: null as ServeProcess | null };
  const began = performance.now();
  const left = () => Math.max(1, within - (performance.now() - began));

  const start = async () => {
    state.relay = spawnServe({ configPath, port, env });
    await state.relay.ready();
  };
  const configure = (target: object) => writeFile(configPath, JSON.stringify(configFor(port, target)));
  const cli = (...line: string[]) => callJson([...line, "--config", configPath], { env });

  let with_: Ingest = null;
  let without: Ingest = null;
  let answers: Record<number, number> = {};
  let took = 0;
  try {
    await configure({ type: "local", dir: join(folder, "media") });
    await start();
    await announce(webhooks, films, host.url);
    const isMirrored = async () => (await cli("status"))[0].media.mirrored === copies;
    await waitFor(isMirrored, left());
    onLine(`${copies} copies are in the folder after ${seconds(performance.now() - began)}`);
    await state.relay!.stop();
    const bucket = await server.makeBucket();
    await configure(targetIn(server, bucket));
    await start();
    const links = (await cli("media", "list", "--limit", "100000")).map(({ url }) => url as string);
    if (links.length !== copies) problems.push(`${links.length} links of ${copies}`);

    const readers = pollLinks(links, problems);
    const sender = postEvents(webhooks, events, problems);
    if (measured > 0) {
      await sleep(2_000);
      sender.take();
      await sleep(measured);
      without = sender.take();
    }

    const from = performance.now();
    const { rate } = options;
    const line = ["media", "move", "--yes", ...(deleteSource ? ["--delete-source"] : [])];
    if (rate !== null) line.push("--rate", formatSize(rate));
    const moving = finish(spawnCli([...line, "--config", configPath], { env }));
    const look = async (): Promise<Seen | null> => (await cli("tasks", "list", "--verb", "move"))[0] ?? null;
    const first = await waitFor(look, left());
    if (first.total !== copies) problems.push(`the task is about ${first.total} copies, not ${copies}`);
    if (measured > 0) {
      await sleep(measured);
      with_ = sender.take();
      onLine(`ingest without: ${words(without)}; with: ${words(with_)}; ${(await look())?.done} moved`);
    }
    for (let nth = 1; nth <= kills; nth++) {
      // Spread over the whole, each at some moment of a copy.
      const share = (copies * nth) / (kills + 1);
      const before = await waitFor(async () => {
        const now = await look();
        return now !== null && (now.done >= share || now.state === "done") && now;
      }, left());
      await sleep(Math.random() * 200);
      await state.relay!.kill();
      await start();
      onLine(`kill ${nth}: ${before?.done} of ${before?.total} moved`);
      if (outage > 0 && nth === Math.ceil(kills / 2)) {
        server.stopGateway();
        await sleep(outage);
        const away = await look();
        if (away?.failed !== 0 || away.state !== "running")
          problems.push(`while the bucket was away: ${JSON.stringify(away)}`);
        await server.startGateway();
        onLine(`the bucket was away for ${seconds(outage)}`);
      }
    }
    const ended = await Promise.race([moving, sleep(left(), null, { ref: false })]);
    if (ended === null) throw new Error(`the move did not end: ${JSON.stringify(await look())}`);
    took = performance.now() - from;
    if (ended.code !== 0) problems.push(`media move ended with ${ended.code}: ${ended.stderr}`);
    onLine(ended.stdout.trim());
    const end = (await look())!;
    if (end.state !== "done" || end.done !== copies || end.failed !== 0)
      problems.push(`the task: ${JSON.stringify(end)}`);
    await sleep(500);
    answers = await readers.stop();
    await sender.stop();
    await judge();

    async function judge(): Promise<void> {
      const rows = await cli("media", "list", "--limit", "100000");
      const right = new Map(films.map((film) => [film.videoId, film]));
      for (const { videoId, key, state: is, sha256 } of rows) {
        const film = right.get(videoId)!;
        const wanted = sha256OfFilm(film);
        if (is !== "mirrored" || sha256 !== wanted) problems.push(`${videoId} is ${is}, ${sha256}`);
        const { Body } = await server.client.send(new GetObjectCommand({ Bucket: bucket, Key: `relay/${key}` }));
        const found = await sha256Of(Body as AsyncIterable<Uint8Array>);
        if (found !== wanted) problems.push(`${key} in the bucket is ${found}, not ${wanted}`);
      }
      const names = await listAll(server, bucket);
      if (names.length !== copies) problems.push(`the bucket holds ${names.length} objects`);
      const sources = () => filesIn(join(folder, "media"));
      const isEmpty = async () => (await sources()).length === 0;
      if (deleteSource) {
        await waitFor(isEmpty, 60_000).catch(async () => {
          problems.push(`sources are left in the folder: ${await sources()}`, ...state.relay!.lastLines().slice(-5));
        });
      } else if ((await filesIn(join(folder, "media"))).length !== copies)
        problems.push("sources are gone from the folder");
      const spool = await readdir(join(folder, "data", "spool"));
      if (spool.length > 0) problems.push(`the spool holds ${spool.join(", ")}`);
      for (const url of rows.map((row) => row.url as string).slice(0, 20)) {
        const { status } = await fetch(url);
        if (status !== 200) problems.push(`${url} leads to ${status}`);
      }
      const verified = await runCli(["media", "verify", "--summary", "--config", configPath], { env });
      if (verified.code !== 0) problems.push(`media verify: ${verified.stdout}${verified.stderr}`);
    }
  } catch (error) {
    problems.push((error as Error).stack ?? String(error), ...(state.relay?.lastLines().slice(-5) ?? []));
  } finally {
    if (state.relay && !state.relay.hasEnded()) await state.relay.kill();
    server.stop();
    await host.close();
    await rm(folder, { recursive: true, force: true });
  }
  const ratio = with_ === null || without === null ? null : with_.p99 / without.p99;
  if (ratio !== null && ratio > options.mostRatio)
    problems.push(`p99 is ${ratio.toFixed(2)} times that without a move`);
  const summary = [
    `move: ${copies} copies, ${formatSize(films.reduce((sum, { bytes }) => sum + bytes, 0))}, ${kills} kills`,
    `bucket away ${seconds(outage)}`,
    `moved in ${seconds(took)}`,
    ...(ratio === null
      ? []
      : [`ingest ${words(without)} without, ${words(with_)} with: p99 ${ratio.toFixed(2)} times`]),
    `links answered ${JSON.stringify(answers)}`,
    `problems ${problems.length}`,
  ].join(", ");
  return { summary, problems };
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
const words = (ingest: Ingest) =>
  ingest === null ? "nothing" : `p50 ${ingest.p50.toFixed(1)} ms, p99 ${ingest.p99.toFixed(1)} ms of ${ingest.count}`;

async function announce(webhooks: string, films: Film[], host: string): Promise<void> {
  for (const { videoId } of films) {
    const event = { type: "video.ready", wochitVideoId: videoId, videoUrl: `${host}/${videoId}.mp4` };
    const { status } = await fetch(webhooks, { method: "POST", body: JSON.stringify(event) });
    if (status !== 200) throw new Error(`an event was answered ${status}`);
  }
}

function targetIn(server: S3Server, bucket: string) {
  const keys = { accessKeyId: server.accessKeyId, secretAccessKey: { env: "S3_KEY" } };
  return { type: "s3", bucket, endpoint: server.endpoint, prefix: "relay", pathStyle: true, ...keys };
}

function configFor(port: number, target: object): ConfigInput {
  return {
    dataDir: "data",
    server: { listen: `127.0.0.1:${port}`, publicUrl: `http://127.0.0.1:${port}` },
    receive: { allowFrom: ["127.0.0.1"] },
    mirror: { allowPrivateAddresses: true, minFreeDisk: 0, target: target as { type: "local" } },
    admin: null,
    log: { format: "json" },
  };
}

async function filesIn(dir: string): Promise<string[]> {
  const found = await readdir(dir, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(dir.length + 1));
}

async function listAll({ client }: S3Server, bucket: string): Promise<string[]> {
  const names: string[] = [];
  for (let from: string | undefined; ; ) {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket: bucket, Prefix: "relay/", ContinuationToken: from }),
    );
    names.push(...(page.Contents ?? []).map(({ Key }) => Key!));
    from = page.NextContinuationToken;
    if (from === undefined) return names;
  }
}
