import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ConfigInput } from "../../src/config/schema.ts";
import { makeEvent } from "../../src/simulator/events.ts";
import { openProvider } from "../../src/simulator/provider.ts";
import { sendEvent } from "../../src/simulator/send.ts";
import { realPorts } from "./real-ports.ts";
import { lastingPort, spawnServe } from "./serve-process.ts";
import { type LoadReport, postSteadily } from "./steady-load.ts";
import { waitFor } from "./wait.ts";

export type CrowdOptions = {
  /** Connections of one stranger that ask once and then are idle; and as many that never ask. */
  idle: number;
  silent: number;
  /** Clients of several addresses that ask for a large copy and read nothing of it. */
  readers: number;
  /** How long the sender posts, ten times a second, half of it over fresh connections. */
  seconds: number;
  /** Of a hundred posts 99 are answered within this many milliseconds. */
  within: number;
};

export type CrowdReport = { summary: string; problems: string[]; fresh: LoadReport; kept: LoadReport };

/** More than the kernel buffers for a client that does not read. */
const FILM = 40 * 2 ** 20;

/**
 * The real process among clients that take what they can: the sender's posts, while strangers hold connections idle, and
 * readers with valid links do not read. Bounded in time, and nothing is left behind.
 */
export async function runCrowdTest(options: CrowdOptions): Promise<CrowdReport> {
  const ports = realPorts();
  const problems: string[] = [];
  const folder = await mkdtemp(join(tmpdir(), "wochit-relay-crowd-"));
  const provider = await openProvider(ports);
  const port = await lastingPort();
  const config: ConfigInput = {
    dataDir: "data",
    admin: null,
    server: { listen: `127.0.0.1:${port}` },
    receive: { allowFrom: ["127.0.0.1"] },
    mirror: { allowPrivateAddresses: true, minFreeDisk: 0, links: "open" },
  };
  const configPath = join(folder, "config.json");
  await writeFile(configPath, JSON.stringify(config));
  const lines: string[] = [];
  const relay = spawnServe({ configPath, port, onLine: (line) => void lines.push(line) });
  const sockets: Socket[] = [];
  async function dial(
    count: number,
    request: string,
    from: (n: number) => string,
    reads: boolean,
    atOnce = 200,
  ): Promise<void> {
    for (let n = 0; n < count; n++) {
      const socket = connect({ port, host: "127.0.0.1", localAddress: from(n) });
      socket.on("error", () => {});
      if (reads) socket.resume();
      else socket.pause();
      if (request !== "") socket.write(request);
      sockets.push(socket);
      if (n % atOnce === atOnce - 1) await sleep(50);
    }
  }
  try {
    await relay.ready();
    const film = provider.addVideo("crowd", { bytes: FILM, seed: "crowd" });
    const announced = { random: ports.random, videoId: "crowd", videoUrl: film.link(), thumbnailUrl: "" };
    await sendEvent(`http://127.0.0.1:${port}/webhooks/wochit`, makeEvent("video.ready", announced).body, ports);
    const head = (method: string, path: string) => `${method} ${path} HTTP/1.1\r\nhost: x\r\n\r\n`;
    await waitFor(async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/media/crowd/video.mp4`, { method: "HEAD" });
      return answer.status === 200;
    });
    const before = memoryOf(relay.pid);
    await dial(options.readers, head("GET", "/media/crowd/video.mp4"), (n) => `127.0.0.${10 + (n % 8)}`, false);
    await dial(options.idle, head("GET", "/healthz"), () => "127.0.0.2", true);
    await dial(options.silent, "", () => "127.0.0.3", true);
    // Connections are accepted in their order: this one comes after all of them.
    await fetch(`http://127.0.0.1:${port}/healthz`);
    // Those that were closed come again, meanwhile.
    const load = { port, path: "/webhooks/wochit", rate: 5, seconds: options.seconds };
    const posting = (["fresh", "kept"] as const).map((connections) => postSteadily({ ...load, connections }));
    const coming = dial(options.seconds * 100, head("GET", "/healthz"), () => "127.0.0.2", true, 5);
    const [fresh, kept] = (await Promise.all(posting)) as [LoadReport, LoadReport];
    await coming;
    const memory = memoryOf(relay.pid) - before;
    for (const [name, report] of Object.entries({ fresh, kept })) {
      const { sent, answered, refused, reset, timedOut, other } = report;
      if (answered !== sent)
        problems.push(
          `${name}: of ${sent} ${answered} answered 200, ${reset} reset, ${refused} refused, ${timedOut} late, ${other}`,
        );
      if (p99(report) > options.within) problems.push(`${name}: p99 ${p99(report)} ms`);
    }
    const told = lines.filter((line) => line.includes("connections were turned away")).length;
    if (told === 0 || told > 2) problems.push(`${told} lines about connections that were turned away`);
    const summary = `${fresh.answered + kept.answered} posts, p99 ${p99(fresh)} and ${p99(kept)} ms beside ${options.idle} idle, ${options.silent} silent and ${options.readers} stalled connections; ${memory} MB more`;
    return { summary, problems, fresh, kept };
  } finally {
    for (const socket of sockets) socket.destroy();
    await relay.stop();
    await provider.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function p99({ waits }: LoadReport): number {
  return Math.round(waits[Math.ceil(waits.length * 0.99) - 1] ?? 0);
}

/** Resident memory in MB; 0 where the system does not say. */
function memoryOf(pid: number): number {
  try {
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024);
  } catch {
    return 0;
  }
}
