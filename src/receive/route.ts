import type { IncomingHttpHeaders } from "node:http";
import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import type { Config } from "../config.ts";
import type { Ports, RefusalReason } from "../domain.ts";
import { errorLine, RelayError } from "../errors.ts";
import { errorAnswer } from "../platform/server.ts";
import type { Store } from "../store/store.ts";
import { createAccept } from "./accept.ts";
import { createRoom, readBody } from "./body.ts";
import { findReturned } from "./loop.ts";
import { createSourceCheck, type Source } from "./source.ts";

/** Bytes of bodies being read at once: of ordinary ones, and of those that are only kept because they were refused. */
const ROOM = 128 * 2 ** 20;
const SPARE_ROOM = 32 * 2 ** 20;

/** A body over the limit is still kept up to this size, so that a limit set too low loses nothing. */
const KEEP_OVERSIZE = 16 * 2 ** 20;

const JSON_ANSWER = { headers: { "content-type": "application/json" } };

type Env = { Bindings: HttpBindings };

/** `POST <receive.path>[/<token>]`: source → size → parse → commit → answer (CONTRACT, "Public listener"). */
export function receiveRoute(options: { store: Store; config: Config; ports: Ports; onAccepted(): void }): Hono<Env> {
  const { store, config, ports } = options;
  const { clock, log } = ports;
  const { receive } = config;
  const judge = createSourceCheck(config);
  const accept = createAccept(options);
  const room = createRoom(ROOM);
  const spare = createRoom(SPARE_ROOM);
  const keepOversize = Math.min(KEEP_OVERSIZE, Math.floor(receive.keepRefused / 4));
  const requestPrefix = Buffer.from(ports.random.bytes(4)).toString("hex");
  let requests = 0;
  let lastKept: Promise<void> = Promise.resolve();

  async function handle(c: Context<Env>): Promise<Response> {
    const receivedAt = clock.now();
    const request = `${requestPrefix}-${(++requests).toString(36)}`;
    const { incoming } = c.env;
    const source = judge(incoming, c.req.param("token"));
    const refused = source.refusal !== null && receive.mode === "enforce";
    if (source.refusal !== null && !refused)
      log.warn("would refuse", { request, from: source.address, why: source.refusal });

    const read = await readBody(incoming, {
      limit: receive.maxBody,
      keep: receive.keepRefused === 0 ? 0 : keepOversize,
      room: refused ? spare : room,
      spare,
    });
    const facts = { request, from: source.address };
    if (refused) return refuse(c, facts, source, read.is === "whole" ? read.body : null, receivedAt);
    if (read.is === "broken") {
      log.warn("request broke off", facts);
      return errorAnswer("request_timeout", "the request ended before its body was complete");
    }
    if (read.is === "busy") return errorAnswer("store_unavailable", "too many unfinished requests");
    if (read.is === "tooLarge") {
      const quarantineId = await keep(facts, "size", read.body, receivedAt);
      log.warn("request refused", { ...facts, why: "size", limit: receive.maxBody, quarantineId });
      return errorAnswer("body_too_large", `the body is larger than ${receive.maxBody} bytes (receive.maxBody)`);
    }
    // Held until the commit: while the store is in trouble the waiting bodies are bounded as those under way are.
    if (!room.take(read.body.length)) return errorAnswer("store_unavailable", "too many unfinished requests");
    return take(facts, incoming.headers, read.body, receivedAt).finally(() => room.give(read.body.length));
  }

  async function take(
    facts: { request: string; from: string },
    headers: IncomingHttpHeaders,
    body: Uint8Array,
    receivedAt: number,
  ): Promise<Response> {
    try {
      const returned = await findReturned(headers, body, store);
      if (returned !== null) {
        const { id, videoId } = returned;
        log.warn("loop stopped: an endpoint leads back to this relay", { ...facts, event: id, video: videoId });
        return new Response(JSON.stringify({ id, status: "duplicate" }), JSON_ANSWER);
      }
      const { id, status, event } = await accept(body, facts.from, receivedAt);
      const { type, videoId } = event;
      log.info(status === "accepted" ? "event accepted" : "event repeated", {
        ...facts,
        event: id,
        type,
        video: videoId,
      });
      options.onAccepted();
      // Not Response.json: the server writes a response made of text and plain headers at once.
      return new Response(JSON.stringify({ id, status }), JSON_ANSWER);
    } catch (error) {
      if (error instanceof RelayError && (error.code === "invalid_json" || error.code === "invalid_event")) {
        return quarantine(facts, error, body, receivedAt);
      }
      return unavailable(facts, error);
    }
  }

  async function quarantine(
    facts: { request: string; from: string },
    why: RelayError,
    body: Uint8Array,
    receivedAt: number,
  ): Promise<Response> {
    const reason = why.code as RefusalReason;
    try {
      const { id } = await store.quarantine({ receivedAt, sourceAddress: facts.from, reason, body });
      log.warn("body quarantined", { ...facts, why: why.message, quarantineId: id });
      return errorAnswer(why.code, why.message, { quarantineId: id });
    } catch (error) {
      return unavailable(facts, error);
    }
  }

  function unavailable(facts: { request: string; from: string }, error: unknown): Response {
    log.error("request not taken", { ...facts, error: errorLine(error) });
    return errorAnswer("store_unavailable", "the relay cannot store events right now; send it again");
  }

  async function refuse(
    c: Context<Env>,
    facts: { request: string; from: string },
    source: Source,
    body: Uint8Array | null,
    receivedAt: number,
  ): Promise<Response> {
    const reason = source.refusal ?? "source";
    const quarantineId = await keep(facts, reason, body, receivedAt);
    log.warn("request refused", { ...facts, socket: c.env.incoming.socket.remoteAddress, why: reason, quarantineId });
    const message =
      reason === "token" ? "the token in the path is missing or wrong" : `${source.address} is not an allowed sender`;
    return errorAnswer("source_not_allowed", message);
  }

  /**
   * Keeps what was refused in the ring; that is a kindness, so its failing changes no answer. One at a time, and no more
   * than fits in the spare room: strangers must not hold up the commits of those who may send.
   */
  async function keep(
    facts: { request: string; from: string },
    reason: RefusalReason,
    body: Uint8Array | null,
    receivedAt: number,
  ): Promise<string | null> {
    if (body === null || body.length === 0 || receive.keepRefused === 0) return null;
    if (!spare.take(body.length)) return null;
    const kept = lastKept.then(() => store.quarantine({ receivedAt, sourceAddress: facts.from, reason, body }));
    lastKept = kept.then(
      () => {},
      () => {},
    );
    try {
      return (await kept).id;
    } catch (error) {
      log.warn("refused body not kept", { ...facts, error: errorLine(error) });
      return null;
    } finally {
      spare.give(body.length);
    }
  }

  const app = new Hono<Env>();
  const path = receive.tokens.length > 0 ? [receive.path, `${receive.path}/:token`] : [receive.path];
  for (const each of path) {
    app.post(each, handle);
    app.all(each, () => errorAnswer("method_not_allowed", "only POST is taken here", {}, { allow: "POST" }));
  }
  return app;
}
