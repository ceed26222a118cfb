import { connect, type Socket } from "node:net";
import type { Reply } from "./oracle.ts";

/** Answers found at the start of what a server sent; `rest` is what is not a whole answer yet. `null`: no HTTP at all. */
export function readReplies(
  received: Buffer,
  method: string,
  ended: boolean,
): { replies: Reply[]; rest: Buffer } | null {
  const replies: Reply[] = [];
  let rest = received;
  while (rest.length > 0) {
    const headEnd = rest.indexOf("\r\n\r\n");
    if (headEnd === -1) return ended ? null : { replies, rest };
    const [first = "", ...lines] = rest.subarray(0, headEnd).toString("latin1").split("\r\n");
    const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first)?.[1]);
    if (Number.isNaN(status)) return null;
    const headers = new Map(
      lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
    );
    const after = rest.subarray(headEnd + 4);
    if (status < 200) {
      rest = after; // 100 Continue
      continue;
    }
    // Of a request that could not be read the server does not know that it was a HEAD.
    const isUnread = status === 400 && headers.get("connection") === "close";
    const isBare = (method === "HEAD" && !isUnread) || status === 204 || status === 304;
    const read = isBare ? { body: Buffer.alloc(0), rest: after } : readBody(after, headers, ended);
    if (read === null) return ended ? null : { replies, rest };
    replies.push({ status, headers, body: read.body });
    rest = read.rest;
  }
  return { replies, rest };
}

function readBody(after: Buffer, headers: Map<string, string>, ended: boolean): { body: Buffer; rest: Buffer } | null {
  const length = headers.get("content-length");
  if (length !== undefined) {
    const size = Number(length);
    return after.length < size ? null : { body: after.subarray(0, size), rest: after.subarray(size) };
  }
  if (headers.get("transfer-encoding") !== "chunked") return ended ? { body: after, rest: Buffer.alloc(0) } : null;
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = after.indexOf("\r\n", at);
    if (lineEnd === -1) return null;
    const size = Number.parseInt(after.subarray(at, lineEnd).toString("latin1"), 16);
    if (Number.isNaN(size) || after.length < lineEnd + size + 4) return null;
    parts.push(after.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + size + 4;
    if (size === 0) return { body: Buffer.concat(parts), rest: after.subarray(at) };
  }
}

/** A connection that is kept and used for one request after another, as a proxy does. */
export type Wire = {
  /** Sends a whole request and gives its one answer. Rejects when none comes in time, or something else comes. */
  ask(request: Uint8Array, method: string): Promise<Reply>;
  close(): void;
};

export function openWire(port: number): Wire {
  let socket: Socket | null = null;

  function attempt(request: Uint8Array, method: string): Promise<Reply | "stale"> {
    const isOld = socket !== null;
    const on = socket ?? connect({ port, host: "127.0.0.1", noDelay: true }).on("error", () => {});
    socket = on;
    return new Promise((resolve, reject) => {
      let received: Buffer = Buffer.alloc(0);
      const timeout = setTimeout(() => end(new Error("no answer within 60 s")), 60_000);
      function end(error: Error | null, reply?: Reply | "stale"): void {
        clearTimeout(timeout);
        on.off("data", take).off("close", closed).off("error", broken);
        if (error || reply === "stale" || (reply as Reply).headers.get("connection") === "close") {
          on.destroy();
          socket = null;
        }
        if (error) reject(error);
        else resolve(reply!);
      }
      function take(chunk: Buffer): void {
        received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
        const read = readReplies(received, method, false);
        if (read === null) end(new Error(`this is no HTTP: ${received.toString("latin1").slice(0, 200)}`));
        else if (read.replies.length > 1 || (read.replies.length === 1 && read.rest.length > 0)) {
          end(new Error(`more than one answer to one request: ${received.toString("latin1").slice(0, 400)}`));
        } else if (read.replies[0]) end(null, read.replies[0]);
      }
      function broken(error: NodeJS.ErrnoException): void {
        // A server may close a connection that rests at the very moment at which it is used again (RFC 9112 §9.3.1).
        if (isOld && received.length === 0) end(null, "stale");
        else end(new Error(`the connection broke without an answer: ${error.code ?? error.message}`));
      }
      function closed(): void {
        broken(new Error("closed"));
      }
      on.on("data", take).on("close", closed).on("error", broken);
      on.write(request);
    });
  }

  return {
    async ask(request, method) {
      const reply = await attempt(request, method);
      if (reply !== "stale") return reply;
      const again = await attempt(request, method);
      if (again === "stale") throw new Error("two connections in a row broke without an answer");
      return again;
    },
    close() {
      socket?.destroy();
      socket = null;
    },
  };
}

/** How long a server may think about what is no whole request before it is told that nothing more comes. */
const PATIENCE = 250;

/**
 * Sends bytes over a connection of their own, in one piece or several, and takes what comes until the server closes. When
 * nothing comes, its own side is closed after a while, and then all of it: silence is an answer too (an empty list).
 * `isWhole` waits longer: an answer must come.
 */
export function sendAlone(
  port: number,
  given: { bytes: Uint8Array; method: string; pieces: number; isWhole: boolean },
): Promise<{ replies: Reply[]; garbage: boolean }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    let received: Buffer = Buffer.alloc(0);
    let timer = setTimeout(() => reject(new Error("cannot connect within 60 s")), 60_000);
    const patience = given.isWhole ? 60_000 : PATIENCE;
    function finish(): void {
      clearTimeout(timer);
      socket.destroy();
      const read = readReplies(received, given.method, true);
      resolve({ replies: read?.replies ?? [], garbage: read === null });
    }
    function wait(ms: number, then: () => void): void {
      clearTimeout(timer);
      timer = setTimeout(then, ms);
    }
    socket.on("connect", () => {
      write(socket, given.bytes, given.pieces);
      wait(patience, () => {
        if (given.isWhole) return finish();
        socket.end();
        wait(PATIENCE, finish);
      });
    });
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      // It has answered; whether more comes is seen soon.
      wait(given.isWhole ? 2_000 : PATIENCE, finish);
    });
    socket.on("end", finish);
    socket.on("close", finish);
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED") {
        clearTimeout(timer);
        reject(new Error("the relay does not listen any longer"));
      } else finish();
    });
  });
}

function write(socket: Socket, bytes: Uint8Array, pieces: number): void {
  const size = Math.ceil(bytes.length / pieces) || 1;
  let at = 0;
  const next = () => {
    if (at >= bytes.length || socket.destroyed) return;
    const piece = bytes.subarray(at, at + size);
    at += piece.length;
    socket.write(piece, () => setImmediate(next));
  };
  next();
}
