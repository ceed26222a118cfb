import { createReadStream } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256OfFile, writeLargeVideo } from "../../scripts/bench/mirror/media-files.ts";
import type { ConfigInput } from "../../src/config/schema.ts";
import { makeEvent } from "../../src/simulator/events.ts";
import { sendEvent } from "../../src/simulator/send.ts";
import { listen } from "./listen.ts";
import { type MediaRequest, recordRequests } from "./provider.ts";
import { realPorts } from "./real-ports.ts";
import { openReceiver } from "./receiver.ts";
import { endpointTo } from "./relay-in-folder.ts";
import { lastingPort, type ServeProcess, spawnServe } from "./serve-process.ts";
import { waitFor } from "./wait.ts";

export type ResumeOptions = {
  /** Bytes of the file, and after how many the connection breaks, each time. */
  size: number;
  every: number;
  /** How often the relay is killed with SIGKILL, at equal distances over the file. */
  kills: number;
  /** How many bytes may be sent in all, for each byte of the file. */
  mostBytes: number;
  /** How long all of it may take, in milliseconds. */
  within: number;
  onLine?: (line: string) => void;
};

export type ResumeReport = {
  /** One line of figures. */
  summary: string;
  /** What went wrong; empty when all is well. */
  problems: string[];
  /** Bytes that the provider sent, for each byte of the file. */
  ratio: number;
  /** Requests for the file, as they came. */
  requests: MediaRequest[];
};

/**
 * One file over a connection that breaks again and again, with the real process killed in the middle: what was sent in
 * all, and whether the copy is the file. Everything is bounded in time, and nothing is left behind.
 */
export async function runResumeTest(options: ResumeOptions): Promise<ResumeReport> {
  const { size, every, kills, onLine = () => {} } = options;
  const ports = realPorts();
  const problems: string[] = [];
  const folder = await mkdtemp(join(tmpdir(), "wochit-relay-resume-"));
  const path = join(folder, "film.mp4");
  writeLargeVideo(path, size);
  const film = await serveBreaking(path, { size, every });
  const requests = recordRequests(film, ports.clock);
  const app = await openReceiver();
  const port = await lastingPort();
  const configPath = join(folder, "config.json");
  await writeFile(configPath, JSON.stringify(configFor(port, app.url)));
  let relay: ServeProcess | null = null;
  let took = 0;
  let copied: string | null = null;
  try {
    onLine(`hashing ${size} bytes of the provider's`);
    const right = await sha256OfFile(path);
    const from = performance.now();
    const left = () => options.within - (performance.now() - from);
    relay = await startRelay(configPath, port, problems);
    const { body } = makeEvent("video.ready", {
      random: ports.random,
      videoId: "resumed",
      videoUrl: film.link,
      thumbnailUrl: "",
    });
    const sent = await sendEvent(`http://127.0.0.1:${port}/webhooks/wochit`, body, ports);
    if (sent.status !== 200) throw new Error(`the event was answered ${sent.status}`);
    for (let kill = 1; kill <= kills; kill++) {
      // In the middle of an answer, not where it breaks.
      const at = Math.floor((size * kill) / (kills + 1) / every) * every + Math.floor(every / 2);
      await waitFor(() => film.sent.bytes >= Math.min(at, size - 1), left());
      await relay.kill();
      onLine(`killed after ${film.sent.bytes} bytes, ${requests.length} requests`);
      relay = await startRelay(configPath, port, problems);
    }
    const got = await waitFor(() => app.requests[0], left());
    took = performance.now() - from;
    const { status, sha256 } = got.json.relay.media.video;
    if (status !== "mirrored") problems.push(`the application was told that the video is ${status}`);
    if (sha256 !== right) problems.push(`the relay says that the copy is ${sha256}, the provider's file is ${right}`);
    copied = await sha256OfFile(join(folder, "data", "media", "resumed", "video.mp4"));
    if (copied !== right) problems.push(`the copy is ${copied}, the provider's file is ${right}`);
    await relay.stop();
    const spool = await readdir(join(folder, "data", "spool"));
    if (spool.length > 0) problems.push(`the spool still holds ${spool.join(", ")}`);
  } catch (error) {
    problems.push((error as Error).message, ...(relay?.lastLines().slice(-5) ?? []));
  } finally {
    if (relay && !relay.hasEnded()) await relay.kill();
    await film.close();
    await app.close();
    await rm(folder, { recursive: true, force: true });
  }
  const ratio = film.sent.bytes / size;
  if (ratio > options.mostBytes) problems.push(`${ratio.toFixed(3)} times the file was sent, not ${options.mostBytes}`);
  return {
    summary: describe(options, { requests: requests.length, bytes: film.sent.bytes, ratio, took, copied, problems }),
    problems,
    ratio,
    requests,
  };
}

/** Serves one large file from the disk, over a connection that breaks after `every` bytes; a shorter rest is whole. */
async function serveBreaking(path: string, { size, every }: { size: number; every: number }) {
  const sent = { bytes: 0 };
  const server = createServer((request, response) => {
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
    const start = Number(range?.[1] ?? 0);
    const end = Math.min(start + every, size);
    response.writeHead(range === null ? 200 : 206, {
      "content-type": "video/mp4",
      "content-length": size - start,
      etag: '"film"',
      ...(range && { "content-range": `bytes ${start}-${size - 1}/${size}` }),
    });
    const pieces = createReadStream(path, { start, end: end - 1, highWaterMark: 2 ** 18 });
    pieces.on("data", (piece) => {
      sent.bytes += piece.length;
    });
    pieces.pipe(response, { end: end === size });
    if (end < size) pieces.on("end", () => response.write("", () => response.destroy()));
    response.on("close", () => pieces.destroy());
  });
  const { url, close } = await listen(null, server);
  return { server, sent, close, link: `${url}/media/resumed/video.mp4?X-Amz-Expires=86400&X-Amz-Signature=hush` };
}

function describe(
  { size, every, kills }: ResumeOptions,
  run: { requests: number; bytes: number; ratio: number; took: number; copied: string | null; problems: string[] },
): string {
  return [
    `resume: ${size} bytes, a break every ${every}, ${kills} kills`,
    `${run.requests} requests`,
    `${run.bytes} bytes sent, ${run.ratio.toFixed(4)} of the file`,
    `${Math.round(run.took)} ms`,
    `copy ${run.copied ?? "not made"}`,
    `problems ${run.problems.length}`,
  ].join(", ");
}

function configFor(port: number, appUrl: string): ConfigInput {
  return {
    dataDir: "data",
    server: { listen: `127.0.0.1:${port}`, publicUrl: `http://127.0.0.1:${port}` },
    receive: { allowFrom: ["127.0.0.1"] },
    mirror: { allowPrivateAddresses: true, minFreeDisk: 0 },
    endpoints: [endpointTo(appUrl)],
    admin: { listen: "127.0.0.1:0" },
    log: { format: "json" },
  };
}

async function startRelay(configPath: string, port: number, problems: string[]): Promise<ServeProcess> {
  const onLine = (line: string) => {
    if (/X-Amz-Signature|sig=/.test(line)) problems.push(`a secret is in the log: ${line.slice(0, 300)}`);
  };
  const relay = spawnServe({ configPath, port, onLine });
  await relay.ready();
  return relay;
}
