import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** How the requests ended. Every one of them is in exactly one of these. */
export type LoadReport = {
  sent: number;
  answered: number;
  /** Nobody listened (ECONNREFUSED). */
  refused: number;
  /** The connection ended before the answer was whole. */
  reset: number;
  timedOut: number;
  /** Another status than 200, or another error; the first few in words. */
  other: string[];
  /** Milliseconds from sending to the whole answer, sorted. */
  waits: number[];
  /** What the relay called the events that it acknowledged. */
  ids: string[];
};

/** "slow" ones are fresh, but the request on each comes in three pieces: nothing, half of it, all of it. */
export type Connections = "fresh" | "kept" | "slow";

/** Between the pieces of a slow request. Milliseconds. */
const PAUSE = 200;

/**
 * Posts events at a steady pace, however long the answers take: `rate` a second, over a connection each, or over some that
 * are kept open. Nothing is sent twice. Returns when all of them have ended.
 */
export async function postSteadily(options: {
  port: number;
  path: string;
  connections: Connections;
  rate: number;
  seconds: number;
  /** After so many milliseconds a request is given up. */
  patience?: number;
}): Promise<LoadReport> {
  const { port, path, connections, rate, seconds, patience = 120_000 } = options;
  const agent =
    connections === "kept"
      ? // Few, in turn: one that lies idle may be closed at a stop in the moment in which it is used again.
        new Agent({ keepAlive: true, maxSockets: 4, scheduling: "fifo" })
      : new Agent({ keepAlive: false });
  const report: LoadReport = { sent: 0, answered: 0, refused: 0, reset: 0, timedOut: 0, other: [], waits: [], ids: [] };
  const running: Promise<void>[] = [];
  const begun = performance.now();
  for (let sent = 0; sent < rate * seconds; sent++) {
    const early = begun + (sent * 1_000) / rate - performance.now();
    if (early > 1) await sleep(early);
    running.push(post({ agent, port, path, patience }, connections, `${connections}-${sent}`, report));
  }
  await Promise.all(running);
  agent.destroy();
  report.waits.sort((a, b) => a - b);
  return report;
}

function post(
  at: { agent: Agent; port: number; path: string; patience: number },
  connections: Connections,
  videoId: string,
  report: LoadReport,
): Promise<void> {
  const body = JSON.stringify({ type: "video.autosaved", wochitVideoId: videoId, title: "x".repeat(500) });
  const begun = performance.now();
  report.sent++;
  return new Promise((resolve) => {
    const { agent, port, path } = at;
    const options = {
      agent,
      host: "127.0.0.1",
      port,
      path,
      method: "POST",
      headers: { "content-type": "application/json", "content-length": body.length },
    };
    const asked = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", fail);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode === 200) {
          report.answered++;
          report.ids.push(JSON.parse(text).id);
          report.waits.push(performance.now() - begun);
        } else report.other.push(`${response.statusCode} ${text.slice(0, 100)}`);
        done();
      });
    });
    const late = setTimeout(() => {
      report.timedOut++;
      done();
      asked.destroy();
    }, at.patience);
    let isDone = false;
    function done(): void {
      isDone = true;
      clearTimeout(late);
      resolve();
    }
    function fail(error: NodeJS.ErrnoException): void {
      if (isDone) return;
      if (error.code === "ECONNREFUSED") report.refused++;
      else if (error.code === "ECONNRESET" || error.code === "EPIPE") report.reset++;
      else report.other.push(`${error.code ?? ""} ${error.message}`);
      done();
    }
    asked.on("error", fail);
    if (connections !== "slow") asked.end(body);
    else {
      asked.once("socket", (socket) => socket.once("connect", () => later(() => asked.write(body.slice(0, 200)))));
      const later = (write: () => void) =>
        setTimeout(() => {
          write();
          setTimeout(() => asked.end(body.slice(200)), PAUSE);
        }, PAUSE);
    }
  });
}
