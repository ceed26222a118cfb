import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock, Log } from "../../ports.ts";
import { holderOf } from "../net/addresses.ts";
import { afterReads } from "../runtime.ts";
import { every as repeat } from "../timing.ts";
import type { ConnectionLimits, Trust } from "./connection-limits.ts";

type Connection = {
  /** The TLS socket, once there is one. */
  socket: Socket;
  address: string;
  /** The address, or IPv6 network, whose share it counts in. */
  owner: string;
  isTrusted: boolean;
  /** Requests so far, the last of them, and those whose answer is not complete. */
  requests: number;
  request: IncomingMessage | null;
  unanswered: number;
  /** Bytes read when it became idle: with more, the head of a request has begun. */
  idleAt: number;
  /** How many looks ago it began. */
  begun: number;
  /** Bytes read, and written and taken by the client; how many looks ago that changed. */
  moved: number;
  quiet: number;
};

/** A connection without a request so far is idle after this much silence, in milliseconds. */
const SILENT = 1_000;

/** The most unanswered requests of a connection that is not trusted. */
const PIPELINED = 4;

/** How many connections are looked at for one that can be closed: in a flood each new one must stay cheap. */
const LOOKED_AT = 256;

/** The least time between two log lines about connections that were refused or closed, in milliseconds. */
const LOG_EVERY = 60_000;

/** Return value of the parser's `onIncoming`: the connection changes to another protocol (nodejs/node, lib/_http_server.js). */
const UPGRADE = 2;

/**
 * One read may hold thousands of requests, and Node's parser emits an event for each, also once the socket is closed. This
 * ends it at the next head. A runtime without this parser goes on, which costs time only.
 */
function stopParser(socket: Socket & { parser?: { onIncoming?: unknown } | null }): void {
  if (socket.parser?.onIncoming) socket.parser.onIncoming = () => UPGRADE;
}

/**
 * The connections of a listener. Trusted addresses are always served. Each other address has a share; when connections are
 * scarce, those of other addresses are closed, the longest idle first, then those without progress.
 *
 * Time is counted in looks, `every` milliseconds apart. Node's own timeouts are not used: timers run before sockets are read,
 * so after a commit that blocked the event loop they would end complete requests that wait to be read.
 */
export function createConnections(options: {
  limits: ConnectionLimits;
  every: number;
  trust: Trust;
  clock: Clock;
  log: Pick<Log, "warn">;
  /** A request on this socket was not received in time. */
  onLate(socket: Socket): void;
}) {
  const { limits, every, clock, log, onLate } = options;
  let { trust } = options;
  const all = new Set<Connection>();
  /** Connections of other addresses without a request, the longest idle first. */
  const idle = new Set<Connection>();
  const byOwner = new Map<string, Set<Connection>>();
  const bySocket = new WeakMap<Socket, Connection>();
  /** Connections of other addresses without progress at the last look, the quietest first. */
  let stalled: Connection[] = [];
  let turnedAway = 0;
  let closed = 0;
  let last = "";
  let logged = Number.NEGATIVE_INFINITY;
  const stop = repeat(every, clock, look);

  /** A TLS socket wraps the accepted one, which Node and Deno call its parent. */
  function connectionOf(socket: Socket & { _parent?: Socket }): Connection | undefined {
    return bySocket.get(socket) ?? (socket._parent && bySocket.get(socket._parent));
  }

  function close(connection: Connection): void {
    remove(connection);
    connection.socket.destroy();
  }

  function enter(connection: Connection): void {
    all.add(connection);
    if (connection.isTrusted) return;
    byOwner.set(connection.owner, (byOwner.get(connection.owner) ?? new Set()).add(connection));
    if (connection.unanswered === 0) idle.add(connection);
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

  /** Whether all that was asked is answered, and nothing new has begun. */
  function isAnswered({ socket, requests, unanswered, idleAt }: Connection): boolean {
    return requests > 0 && unanswered === 0 && socket.writableLength === 0 && socket.bytesRead === idleAt;
  }

  /** Closes a connection so that another can be taken. */
  function closeForAnother(connection: Connection): boolean {
    closed++;
    last = connection.address;
    close(connection);
    return true;
  }

  /** Closes the first that is idle; false: none was found. */
  function closeOneIdle(among: Iterable<Connection>): boolean {
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
      return closeOneIdle(own);
    }
    return all.size < limits.forStrangers || closeOneIdle(idle) || closeStalled() || isTrusted;
  }

  function turnAway(address: string): void {
    turnedAway++;
    last = address;
  }

  /** Whether what is being received takes too long: a TLS handshake, a head, or the body after it. */
  function isLate(connection: Connection): boolean {
    const { socket, requests, request, unanswered, idleAt } = connection;
    const isBody = unanswered > 0 && request?.complete === false;
    const isHead = unanswered === 0 && (requests === 0 || socket.bytesRead !== idleAt);
    connection.begun = isBody || isHead ? connection.begun + 1 : 0;
    return connection.begun * every >= (isBody ? limits.requestTimeout : limits.headersTimeout);
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
    /** Takes an accepted connection, or closes it at once where there is no room. */
    add(socket: Socket): void {
      const address = socket.remoteAddress ?? "unknown";
      const isTrusted = trust.isTrusted(address);
      const connection: Connection = {
        ...{ socket, address, owner: holderOf(address), isTrusted },
        ...{ requests: 0, request: null, unanswered: 0, idleAt: 0, begun: 0, moved: 0, quiet: 0 },
      };
      if (!makeRoom(connection)) {
        turnAway(address);
        socket.destroy();
        return;
      }
      enter(connection);
      bySocket.set(socket, connection);
      socket.once("close", () => remove(connection));
    },

    /** The TLS handshake is done: from now on this socket is the connection's. */
    secured(socket: Socket): void {
      const connection = connectionOf(socket);
      if (connection === undefined) return;
      connection.socket = socket;
      connection.begun = 0;
      connection.idleAt = socket.bytesRead;
      bySocket.set(socket, connection);
    },

    /**
     * A request has begun. False: its connection is closed, and it must not be served. Connections that are not trusted may
     * not have many unanswered requests: no client pipelines, and they would take all of the event loop.
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

    /** The request whose body is being received on this socket, else null. */
    receiving(socket: Socket): IncomingMessage | null {
      const request = connectionOf(socket)?.request;
      return request && !request.complete ? request : null;
    },

    /** Whether a head has begun to arrive on this socket. */
    hasBegun(socket: Socket): boolean {
      const connection = connectionOf(socket);
      return connection !== undefined && connection.unanswered === 0 && socket.bytesRead !== connection.idleAt;
    },

    /** After a reload: judges every connection again. One that is judged as before keeps its place among the idle ones. */
    setTrust(next: Trust): void {
      trust = next;
      for (const connection of [...all]) {
        const isTrusted = trust.isTrusted(connection.address);
        if (isTrusted === connection.isTrusted) continue;
        remove(connection);
        connection.isTrusted = isTrusted;
        enter(connection);
      }
    },

    /** Closes those whose requests are answered, to the last byte; after sockets were read, unlike closeIdleConnections(). */
    closeIdle(): void {
      afterReads(() => {
        for (const connection of [...all]) if (isAnswered(connection)) close(connection);
      });
    },

    closeAll(): void {
      for (const connection of [...all]) close(connection);
    },

    stop,
  };
}
