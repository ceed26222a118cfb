import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { sha256Of } from "../../support/bytes.ts";
import { listen } from "../../support/listen.ts";
import type { Tags, Weather } from "./commands.ts";
import { fileOf } from "./files.ts";

type Mood = { is: Weather; times: number; part: number; tags: Tags };

/** The media host of a walk, on loopback: signed links that die, files that change, and its weather. */
export type Host = {
  base: string;
  /** Requests that wait for `resume`. */
  held(): number;
  /** What stalled goes on. */
  resume(): void;
  /** The host has another version of the file from now on. */
  edit(name: string): void;
  /** Versions that the file has had; the last one is the present one. */
  versions(name: string): number[];
  set(name: string, mood: Mood): void;
  /** The weather is fine. */
  clear(): void;
  /** A link to the file that is good until then (milliseconds since 1970). */
  link(name: string, expiry: { from: number; life: number | null }): string;
  close(): Promise<void>;
};

const DAY = 24 * 3_600_000;
/** What is cut within the first bytes can be seen to be cut; behind a film's end there is only noise. */
const SHORT = 1_000;

/** When versions of a file were made, a day apart. */
const LONG_AGO = Date.UTC(2015, 0, 1);

/** `onPiece`: a piece of an answer is about to be sent. */
export async function openHost(now: () => number, onPiece: () => void): Promise<Host> {
  const moods = new Map<string, Mood>();
  const versions = new Map<string, number>();
  const good = new Map<string, { name: string; until: number }>();
  const held = new Map<ServerResponse, () => void>();

  function moodOf(name: string): Mood {
    const mood = moods.get(name);
    if (mood === undefined || mood.times <= 0) return { is: "ok", times: 0, part: 1, tags: mood?.tags ?? "strong" };
    mood.times--;
    // A picture does not tell how long it is: where HTTP says that it has ended, it has.
    return mood.is === "short" && !name.endsWith(".mp4") ? { ...mood, is: "cut" } : mood;
  }

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url!, "http://host");
    const link = good.get(url.searchParams.get("X-Amz-Signature") ?? "");
    if (link === undefined || now() >= link.until) return void response.writeHead(403).end();
    const { name } = link;
    const mood = moodOf(name);
    if (mood.is === "reset") return void request.socket.destroy();
    const status = { missing: 404, denied: 403, broken: 503 }[mood.is as string];
    if (status !== undefined) return void response.writeHead(status).end();
    if (mood.is === "text") return void response.writeHead(200).end("<html>it will be there soon</html>");
    const version = versions.get(name) ?? 0;
    give(request, response, { bytes: fileOf(name, version), madeAt: LONG_AGO + version * DAY }, mood);
    // Pictures that have changed are announced.
    if (mood.is !== "replaced" || !name.endsWith(".mp4")) return;
    versions.set(name, version + 1);
    moods.set(name, { ...mood, is: "careless", times: 2 });
  }

  function give(
    request: IncomingMessage,
    response: ServerResponse,
    { bytes: file, madeAt }: { bytes: Buffer; madeAt: number },
    { is, part, tags }: Mood,
  ): void {
    const tag = `${tags === "weak" ? "W/" : ""}"${sha256Of(file).slice(0, 16)}"`;
    const headers: Record<string, string> = {
      ...{ "accept-ranges": "bytes", date: new Date(now()).toUTCString() },
      ...((tags === "strong" || tags === "weak") && { etag: tag }),
      ...((tags === "date" || tags === "weak") && { "last-modified": new Date(madeAt).toUTCString() }),
    };
    if (request.headers["if-none-match"] === headers.etag && headers.etag !== undefined) {
      return void response.writeHead(304, headers).end();
    }
    const from = rangeIn(request, headers, file, is === "careless");
    const length = is === "short" ? Math.floor(Math.min(file.length, SHORT) * part) : file.length;
    const body = file.subarray(from ?? 0, Math.max(from ?? 0, length));
    response.writeHead(from === null ? 200 : 206, {
      ...headers,
      "content-length": body.length,
      ...(from !== null && { "content-range": `bytes ${from}-${from + body.length - 1}/${length}` }),
    });
    onPiece();
    if (is !== "cut" && is !== "stalls" && is !== "replaced") return void response.end(body);
    const at = Math.floor(body.length * part);
    response.write(body.subarray(0, at), () => {
      onPiece();
      if (is !== "stalls") return request.socket.destroy();
      held.set(response, () => response.end(body.subarray(at)));
      response.on("close", () => held.delete(response));
    });
  }

  const server = createServer({ keepAlive: true }, answer);
  const { url: base, close } = await listen(null, server);

  function resume(): void {
    for (const [response, go] of held) {
      held.delete(response);
      go();
    }
  }

  return {
    base,
    held: () => held.size,
    resume,
    edit: (name) => void versions.set(name, (versions.get(name) ?? 0) + 1),
    versions: (name) => Array.from({ length: (versions.get(name) ?? 0) + 1 }, (_, version) => version),
    set: (name, mood) => void moods.set(name, { ...mood }),
    clear() {
      for (const mood of moods.values()) mood.times = 0;
      resume();
    },
    link(name, { from: exactly, life }) {
      // Links tell whole seconds.
      const from = Math.floor(exactly / 1000) * 1000;
      const signature = String(good.size + 1);
      good.set(signature, { name, until: from + (life ?? DAY) });
      if (life === null) return `${base}/${name}?X-Amz-Signature=${signature}`;
      const date = new Date(from).toISOString().replace(/[-:]|\.\d+/g, "");
      return `${base}/${name}?X-Amz-Date=${date}&X-Amz-Expires=${life / 1000}&X-Amz-Signature=${signature}`;
    },
    close,
  };
}

/** Where the body is to begin; null: it is the whole. */
function rangeIn(
  request: IncomingMessage,
  { etag, "last-modified": date }: Record<string, string>,
  file: Buffer,
  isCareless: boolean,
): number | null {
  const [, start] = /^bytes=(\d+)-$/.exec(request.headers.range ?? "") ?? [];
  if (start === undefined || Number(start) >= file.length) return null;
  const wish = request.headers["if-range"];
  const isSame = wish === undefined || wish === etag || (etag === undefined && wish === date);
  return isSame || isCareless ? Number(start) : null;
}
