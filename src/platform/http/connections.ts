import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock, Log } from "../../ports.ts";
import { holderOf } from "../net/addresses.ts";
import { every as repeat } from "../timing.ts";
import type { ConnectionLimits, Trust } from "./connection-limits.ts";

type Connection = {
  /** Read from and written to: the TLS socket, once there is one. */
  socket: Socket;
  address: string;
  /** Whose share it is part of. */
  owner: string;
  isTrusted: boolean;
  /** The TLS handshake, if there is one, is done. */
  isReady: boolean;
  /** Requests so far, the last of them, and those whose answer is not complete. */
  requests: number;
  request: IncomingMessage | null;
  unanswered: number;
  /** Bytes read when it became idle: when there are more, the head of a request is on its way. */
  idleAt: number;
  /** How many looks ago it began. */
  begun: number;
  /** Bytes read and taken by the client, and how many looks ago that changed. */
  moved: number;
  quiet: number;
};

/** A connection that has had no request is not idle before it was silent for this long, in milliseconds. */
const SILENT = 1_000;

/** Requests of a connection that is not trusted which may wait for their answers at once. */
const PIPELINED = 4;

/** How many are looked at for one that can be closed: a flood of new connections must not make each of them expensive. */
const LOOKED_AT = 256;

/** At most one line about connections that were turned away or closed, in milliseconds. */
const LOG_EVERY = 60_000;

/** What Node's parser is to do after a head: the connection speaks another protocol from here on (nodejs/node, lib/_http_server.js). */
const UPGRADE = 2;

/**
 * What was read at once may hold thousands of requests, and Node's parser makes each of them an event, also when its socket is
 * closed. It ends at the next head. A runtime without this parser goes on, which costs time only.
 */
function stopParser(socket: Socket & { parser?: { onIncoming?: unknown } | null }): void {
  if (socket.parser?.onIncoming) socket.parser.onIncoming = () => UPGRADE;
}

/**
 * The connections of a listener. Trusted addresses are served whatever others do: each other address has a share, and when
 * connections become few, those of others are closed that are idle for longest, then those that make no progress.
 *
 * Time is counted in looks, `every` milliseconds apart. Node's own timeouts are not used, because timers come before sockets:
 * after a commit that blocked the loop for long they would end requests that wait, whole, to be read.
 */
export function createConnections(options: {
  limits: ConnectionLimits;
  every: number;
  trust: Trust;
  clock: Clock;
  log: Pick<Log, "warn">;
  isTls: boolean;
  /** What is received on this socket has not come in time. */
  onLate(socket: Socket): void;
}) {
  const { limits, every, clock, log, isTls, onLate } = options;
  let { trust } = options;
  const all = new Set<Connection>();
  /** Those of strangers without a request, the one that is idle for longest first. */
  const idle = new Set<Connection>();
  const byOwner = new Map<string, Set<Connection>>();
  const bySocket = new WeakMap<Socket, Connection>();
  /** Those of strangers that make no progress, as of the last look, the quietest first. */
  let stalled: Connection[] = [];
  let turnedAway = 0;
  let closed = 0;
  let last = "";
  let logged = Number.NEGATIVE_INFINITY;
  const stop = repeat(every, clock, look);

  /** A TLS socket is another than the one that was accepted, which Node and Deno call its parent. */
  function connectionOf(socket: Socket & { _parent?: Socket }): Connection | undefined {
    return bySocket.get(socket) ?? (socket._parent && bySocket.get(socket._parent));
  }

  function close(connection: Connection): void {
    remove(connection);
    connection.socket.destroy();
  }

  function remove(connection: Connection): void {
    all.delete(connection);
    idle.delete(connection);
    const own = byOwner.get(connection.owner);
    own?.delete(connection);
    if (own?.size === 0) byOwner.delete(connection.owner);
  }

  function setIdle(connection: Connection): void {
    connection.idleAt = connection.socket.bytesRead;
    connection.quiet = 0;
    if (!connection.isTrusted && all.has(connection)) idle.add(connection);
  }

  /** Closes a connection so that another can be taken. */
  function closeForAnother(connection: Connection): boolean {
    closed++;
    last = connection.address;
    close(connection);
    return true;
  }

  /** Closes the first that is idle; false: none was found. */
  function closeIdle(among: Iterable<Connection>): boolean {
    let seen = 0;
    for (const connection of among) {
      const { unanswered, requests, quiet } = connection;
      if (unanswered === 0 && (requests > 0 || quiet * every >= SILENT)) return closeForAnother(connection);
      if (++seen === LOOKED_AT) break;
    }
    return false;
  }

  function closeStalled(): boolean {
    for (let one = stalled.shift(); one !== undefined; one = stalled.shift()) {
      if (all.has(one) && one.quiet > 0) return closeForAnother(one);
    }
    return false;
  }

  function makeRoom({ owner, isTrusted }: Connection): boolean {
    const own = byOwner.get(owner);
    if (!isTrusted && own !== undefined && own.size >= (trust.isOpen ? limits.openShare : limits.share)) {
      return closeIdle(own);
    }
    return all.size < limits.forStrangers || closeIdle(idle) || closeStalled() || isTrusted;
  }

  function turnAway(address: string): void {
    turnedAway++;
    last = address;
  }

  /** Whether what is being received takes too long: a TLS handshake, a head, or the body after it. */
  function isLate(connection: Connection): boolean {
    const { socket, isReady, requests, request, unanswered, idleAt } = connection;
    const isBody = unanswered > 0 && request?.complete === false;
    const isHead = unanswered === 0 && (requests === 0 || socket.bytesRead !== idleAt);
    connection.begun = isBody || isHead ? connection.begun + 1 : 0;
    return connection.begun * every >= (isBody && isReady ? limits.requestTimeout : limits.headersTimeout);
  }

  function look(): void {
    stalled = [];
    const readers: Connection[] = [];
    for (const connection of all) {
      const { socket, isTrusted, request, unanswered, idleAt } = connection;
      const waiting = socket.writableLength;
      const moved = socket.bytesRead + socket.bytesWritten - waiting;
      connection.quiet = moved === connection.moved ? connection.quiet + 1 : 0;
      connection.moved = moved;
      const quiet = connection.quiet * every;
      if (isLate(connection)) onLate(socket);
      else if (waiting > 0 && quiet >= limits.stall) close(connection);
      else if (waiting > 0 && quiet >= limits.giveWay) readers.push(connection);
      else if (unanswered === 0) {
        const isIdle = !isTrusted && !trust.isOpen && socket.bytesRead === idleAt;
        if (isIdle && quiet >= limits.strangerIdle) close(connection);
      } else if (!isTrusted && request?.complete === false && quiet >= limits.giveWay) stalled.push(connection);
    }
    readers.sort((a, b) => Number(a.isTrusted) - Number(b.isTrusted) || b.quiet - a.quiet);
    for (const reader of readers.splice(0, Math.max(0, readers.length - limits.stalledReaders))) close(reader);
    stalled.push(...readers.filter(({ isTrusted }) => !isTrusted));
    stalled.sort((a, b) => b.quiet - a.quiet);
    logTurnedAway();
  }

  function logTurnedAway(): void {
    if (turnedAway + closed === 0 || clock.elapsed() - logged < LOG_EVERY) return;
    logged = clock.elapsed();
    const advice = "if that is a proxy of yours, name it in server.trustedProxies";
    log.warn("connections were turned away", { turnedAway, closed, last, open: all.size, advice });
    turnedAway = 0;
    closed = 0;
  }

  return {
    /** A connection was accepted; it is closed at once where there is no room for it. */
    add(socket: Socket): void {
      const address = socket.remoteAddress ?? "unknown";
      const isTrusted = trust.isTrusted(address);
      const connection: Connection = {
        ...{ socket, address, owner: holderOf(address), isTrusted, isReady: !isTls },
        ...{ requests: 0, request: null, unanswered: 0, idleAt: 0, begun: 0, moved: 0, quiet: 0 },
      };
      if (!makeRoom(connection)) {
        turnAway(address);
        socket.destroy();
        return;
      }
      all.add(connection);
      bySocket.set(socket, connection);
      if (!isTrusted) {
        const own = byOwner.get(connection.owner) ?? new Set();
        byOwner.set(connection.owner, own.add(connection));
      }
      setIdle(connection);
      socket.once("close", () => remove(connection));
    },

    /** The TLS handshake of an accepted connection is done: from now on this socket is the connection's. */
    secured(socket: Socket): void {
      const connection = connectionOf(socket);
      if (connection === undefined) return;
      connection.socket = socket;
      connection.isReady = true;
      connection.begun = 0;
      connection.idleAt = socket.bytesRead;
      bySocket.set(socket, connection);
    },

    /**
     * A request has begun. False: it is not to be served, since its connection is closed: one that is not trusted may not have
     * many requests without an answer (no client pipelines, and each turn would be spent on them).
     */
    begun(request: IncomingMessage, response: ServerResponse): boolean {
      const { socket } = request;
      const connection = connectionOf(socket);
      if (connection === undefined) return true;
      if (!connection.isTrusted && (socket.destroyed || connection.unanswered >= PIPELINED)) {
        close(connection);
        stopParser(socket);
        return false;
      }
      connection.requests++;
      connection.request = request;
      connection.unanswered++;
      connection.quiet = 0;
      idle.delete(connection);
      if (!connection.isTrusted && !trust.isOpen && response.shouldKeepAlive) {
        response.setHeader("keep-alive", `timeout=${Math.floor(limits.strangerIdle / 1000)}`);
      }
      response.once("close", () => {
        if (--connection.unanswered === 0) setIdle(connection);
      });
      return true;
    },

    /** The server closed a connection at once, because there are `atMost` already. */
    dropped: turnAway,

    addressOf: (socket: Socket): string => connectionOf(socket)?.address ?? socket.remoteAddress ?? "unknown",

    /** The request whose body is being received on this socket; null: none, though its head may be. */
    receiving(socket: Socket): IncomingMessage | null {
      const request = connectionOf(socket)?.request;
      return request && !request.complete ? request : null;
    },

    /** Whether a head has begun to arrive on this socket. */
    hasBegun(socket: Socket): boolean {
      const connection = connectionOf(socket);
      return connection !== undefined && connection.unanswered === 0 && socket.bytesRead !== connection.idleAt;
    },

    /** Another config: every connection is judged anew. */
    setTrust(next: Trust): void {
      trust = next;
      for (const connection of all) {
        const { address, owner, unanswered } = connection;
        connection.isTrusted = trust.isTrusted(address);
        const own = byOwner.get(owner) ?? new Set();
        if (connection.isTrusted) {
          own.delete(connection);
          idle.delete(connection);
        } else {
          own.add(connection);
          if (unanswered === 0) idle.add(connection);
        }
        if (own.size > 0) byOwner.set(owner, own);
        else byOwner.delete(owner);
      }
    },

    closeAll(): void {
      for (const connection of [...all]) close(connection);
    },

    stop,
  };
}
