import { Buffer } from "node:buffer";
import { connect as connectPlain, type LookupFunction, type Socket } from "node:net";
import { Readable } from "node:stream";
import { connect as connectTls } from "node:tls";
import { afterReads } from "../runtime.ts";
import { trustSystemStore } from "./trust.ts";

/** The largest head of an answer, interim answers included, in bytes. */
const MAX_HEAD = 256 * 1024;

/** The longest line about a chunk, in bytes. */
const MAX_CHUNK_LINE = 4096;

/** Options of a socket, as of undici's `connect`; others are for TLS. */
export type ConnectOptions = { timeout: number; lookup: LookupFunction };

/**
 * One GET on a connection of its own, whose answer is read as browsers, curl and wget read it: lines without CR, control
 * characters, lines without a colon, folded lines, long heads, equal lengths twice, a length beside chunks (RFC 9112 §2.2,
 * §5.2, §6.3 say what recipients may do). Safe because nothing else is sent on this connection. Node's lenient parser
 * (`insecureHTTPParser`) refuses half of these; `oddities` names them, a few words each. Headers have lower case names; of equal
 * ones the first counts, and `content-length` is only there where it is the length of the body. `socketTimeout`: milliseconds without a byte, also while connecting. Rejects
 * with the error of the lookup, the network or TLS.
 */
export async function getLeniently(
  url: URL,
  options: { headers: Record<string, string>; signal: AbortSignal; socketTimeout: number; connect: ConnectOptions },
) {
  const { headers, signal, socketTimeout, connect } = options;
  signal.throwIfAborted();
  const socket = openSocket(url, { ...connect, timeout: socketTimeout });
  const abort = () => socket.destroy(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
  signal.addEventListener("abort", abort, { once: true });
  socket.on("close", () => signal.removeEventListener("abort", abort));
  // The reader throws it.
  socket.on("error", () => {});
  const reader = openReader(socket, socketTimeout);
  socket.on("timeout", () => {
    // After a blocked event loop the timer runs before the bytes that came meanwhile are read.
    const seen = socket.bytesRead;
    afterReads(() => {
      if (socket.bytesRead === seen) socket.destroy(new Error(`nothing came for ${socketTimeout / 1000} s`));
    });
  });
  const lines = Object.entries({ host: url.host, ...headers, connection: "close" });
  socket.write(
    `GET ${url.pathname}${url.search} HTTP/1.1\r\n${lines.map((line) => `${line.join(": ")}\r\n`).join("")}\r\n`,
  );
  try {
    const head = await readHead(reader);
    const chunks = readBody(reader, head);
    // Readable.from would keep the connection of a reader that leaves until the next bytes come.
    const body = new Readable({
      read() {
        chunks.next().then(
          ({ value, done }) => this.push(done ? null : value),
          (error) => this.destroy(error),
        );
      },
      destroy(error, done) {
        socket.destroy();
        done(error);
      },
    });
    body.on("error", () => {});
    return { status: head.status, headers: head.headers, body, oddities: [...head.oddities] };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function openSocket(url: URL, options: ConnectOptions): Socket {
  const isTls = url.protocol === "https:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const at = { host, port: Number(url.port) || (isTls ? 443 : 80), ...options };
  if (isTls) trustSystemStore();
  return isTls ? connectTls({ ...at, ALPNProtocols: ["http/1.1"] }) : connectPlain(at);
}

type Reader = ReturnType<typeof openReader>;

function openReader(socket: Socket, socketTimeout: number) {
  const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let held: Buffer = Buffer.alloc(0);

  async function more(): Promise<boolean> {
    // The timeout runs only while bytes are awaited.
    socket.setTimeout(socketTimeout);
    const { done, value } = await chunks.next();
    socket.setTimeout(0);
    if (done) return false;
    held = held.length === 0 ? value : Buffer.concat([held, value]);
    return true;
  }

  function take(length: number): Buffer {
    const taken = held.subarray(0, length);
    held = held.subarray(length);
    return taken;
  }

  return {
    /** The next line without its end, one character per byte; null: the stream ended. Throws beyond `most` bytes. */
    async line(most: number): Promise<string | null> {
      for (let seen = 0; ; ) {
        const end = held.indexOf(0x0a, seen);
        if (end > most || (end < 0 && held.length > most))
          throw new Error(`a line of its head is longer than ${most} bytes`);
        if (end >= 0) return take(end + 1).toString("latin1", 0, end);
        seen = held.length;
        if (!(await more())) return null;
      }
    },
    /** The next bytes, at most `most`; null: the stream has ended. */
    async some(most: number): Promise<Buffer | null> {
      if (held.length === 0 && !(await more())) return null;
      return take(most);
    },
  };
}

type Head = {
  status: number;
  headers: Record<string, string>;
  /** The end of the body: the last chunk, a number of bytes, or the end of the connection (null). */
  framing: "chunked" | number | null;
  oddities: Set<string>;
};

const STATUS = /^(?:HTTP\/\d+(?:\.\d+)?|ICY)[ \t]+(\d{3})(?!\d)/i;

async function readHead(reader: Reader): Promise<Head> {
  const oddities = new Set<string>();
  let left = MAX_HEAD;
  async function nextLine(): Promise<string> {
    const line = await reader.line(left);
    if (line === null) throw new Error("the connection ended before the head of an answer did");
    left -= line.length + 1;
    if (!line.endsWith("\r")) oddities.add("a line that ends without CR");
    return line.replace(/\r$/, "");
  }
  for (;;) {
    const first = await nextLine();
    const status = Number(STATUS.exec(first)?.[1]);
    if (Number.isNaN(status)) throw new Error("the answer is not HTTP");
    const fields: [string, string][] = [];
    for (let line = await nextLine(); line !== ""; line = await nextLine()) readField(line, fields, oddities);
    // Interim answers are skipped (RFC 9110 §15.2).
    if (status < 200 && status !== 101) continue;
    if (MAX_HEAD - left > 16 * 1024) oddities.add(`a head of ${MAX_HEAD - left} bytes`);
    return { status, ...interpret(status, fields, oddities), oddities };
  }
}

function readField(line: string, fields: [string, string][], oddities: Set<string>): void {
  const plain = line.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, "");
  if (plain !== line) oddities.add("a control character");
  const last = fields.at(-1);
  if (/^[ \t]/.test(plain) && last !== undefined) {
    oddities.add("a folded line");
    last[1] = `${last[1]} ${plain.trim()}`;
    return;
  }
  const colon = plain.indexOf(":");
  if (colon < 0) return void oddities.add("a line without a colon");
  const name = plain.slice(0, colon).trim().toLowerCase();
  if (/[^\w!#$%&'*+.^`|~-]/.test(name) || name.length !== colon) oddities.add("a name that is none");
  fields.push([name, plain.slice(colon + 1).trim()]);
}

/** Headers and framing, as far as the fields agree (RFC 9112 §6.3). */
function interpret(
  status: number,
  fields: [string, string][],
  oddities: Set<string>,
): Pick<Head, "headers" | "framing"> {
  const headers: Record<string, string> = Object.create(null);
  for (const [name, value] of fields) headers[name] ??= value;
  const all = (wanted: string) => fields.flatMap(([name, value]) => (name === wanted ? value.split(",") : []));
  const lengths = all("content-length").map((value) => value.trim());
  const isChunked = all("transfer-encoding").at(-1)?.trim().toLowerCase() === "chunked";
  const length =
    lengths.length > 0 && new Set(lengths).size === 1 && /^\d{1,16}$/.test(lengths[0]!) ? Number(lengths[0]) : null;
  if (lengths.length > 1) oddities.add("Content-Length more than once");
  else if (lengths.length === 1 && length === null) oddities.add("a Content-Length that is no number");
  if (headers["transfer-encoding"] !== undefined && lengths.length > 0)
    oddities.add("Content-Length beside Transfer-Encoding");
  delete headers["content-length"];
  const hasNone = status === 204 || status === 304;
  const framing = hasNone ? 0 : isChunked ? "chunked" : length;
  if (typeof framing === "number") headers["content-length"] = String(framing);
  if (!isChunked) delete headers["transfer-encoding"];
  return { headers, framing };
}

async function* readBody(reader: Reader, { framing }: Head): AsyncGenerator<Buffer> {
  if (framing === "chunked") return yield* readChunks(reader);
  let left = framing ?? Number.POSITIVE_INFINITY;
  while (left > 0) {
    const some = await reader.some(Math.min(left, 2 ** 20));
    if (some === null && framing === null) return;
    if (some === null) throw new Error(`the connection ended, ${left} of ${framing} bytes early`);
    left -= some.length;
    yield some;
  }
}

async function* readChunks(reader: Reader): AsyncGenerator<Buffer> {
  const early = () => new Error("the connection ended before the last chunk");
  for (;;) {
    const line = await reader.line(MAX_CHUNK_LINE);
    if (line === null) throw early();
    const size = /^[ \t]*([\da-f]{1,12})[ \t]*(?:;.*)?\r?$/i.exec(line)?.[1];
    if (size === undefined) throw new Error("a chunk has no size");
    let left = Number.parseInt(size, 16);
    // Trailers are not needed, and the connection ends here.
    if (left === 0) return;
    while (left > 0) {
      const some = await reader.some(Math.min(left, 2 ** 20));
      if (some === null) throw early();
      left -= some.length;
      yield some;
    }
    if ((await reader.line(MAX_CHUNK_LINE)) === null) throw early();
  }
}
