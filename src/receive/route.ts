import type { IncomingHttpHeaders } from "node:http";
import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import type { Config } from "../config/schema.ts";
import { errorLine, RelayError } from "../errors.ts";
import type { RefusalReason } from "../model/event.ts";
import { readTrace } from "../model/trace.ts";
import { errorAnswer, whyBroken } from "../platform/http/server.ts";
import { createLimitedLog, createSampledLog } from "../platform/log/limited-log.ts";
import type { Ports } from "../ports.ts";
import type { Store } from "../store/store.ts";
import { createAccept, type Workers } from "./accept.ts";
import { createMemoryLimit, readBody } from "./body.ts";
import { decodeBody, type Writing, writingOf } from "./decode.ts";
import { createKeep } from "./keep-refused.ts";
import { findReturned } from "./loop-check.ts";
import { createSourceCheck, type Source } from "./source.ts";
import { createUnserved, type Unserved } from "./unserved-requests.ts";

/** Memory for bodies being read, in bytes: for ordinary ones, and for refused ones that are kept. */
const MEMORY = 128 * 2 ** 20;
const REFUSED_MEMORY = 32 * 2 ** 20;

/** A body over the limit is kept up to this size, so that a limit set too low loses nothing. */
const KEEP_OVERSIZE = 16 * 2 ** 20;

/** The most log lines a minute about refused senders, who may be anybody. */
const LINES = 30;

const TOO_MANY = "too many unfinished requests";

const JSON_ANSWER = { headers: { "content-type": "application/json" } };

type Env = { Bindings: HttpBindings };

/** The facts of a request for the log and the quarantine. */
type Given = {
  facts: { request: string; from: string };
  headers: IncomingHttpHeaders;
  source: Source;
  /** The encoding of the body, where it is not plain UTF-8. */
  writing: Writing | null;
  receivedAt: number;
};

/** `routes`: `POST <receive.path>[/<token>]`; `unserved`: for all other requests. */
export type Receive = { routes: Hono<Env>; unserved: Unserved };

/** The webhook: source → size → parse → commit → answer (CONTRACT, "Public listener"). */
export function openReceive(options: { store: Store; config: Config; ports: Ports; workers?: Workers }): Receive {
  const { store, config, ports } = options;
  const { clock, log, metrics } = ports;
  const { receive } = config;
  const judge = createSourceCheck(config);
  const accept = createAccept(options);
  const memory = createMemoryLimit(MEMORY);
  const spare = createMemoryLimit(REFUSED_MEMORY);
  const keep = createKeep({ store, config, log, metrics, spare });
  const unserved = createUnserved({ config, ports, judge, keep, spare });
  const warnOfProxy = createLimitedLog(log, clock);
  const warnOfRefused = createLimitedLog(log, clock, { burst: LINES });
  const sampled = createSampledLog(log, clock);
  const keepOversize = Math.min(KEEP_OVERSIZE, Math.floor(receive.keepRefused / 4));
  const requestPrefix = Buffer.from(ports.random.bytes(4)).toString("hex");
  let requests = 0;

  async function handle(c: Context<Env>): Promise<Response> {
    const receivedAt = clock.now();
    const { incoming } = c.env;
    const source = judge(incoming, c.req.param("token"));
    const facts = { request: `${requestPrefix}-${(++requests).toString(36)}`, from: source.address };
    const given = { facts, headers: incoming.headers, source, writing: writingOf(incoming.headers), receivedAt };
    const refused = source.refusal !== null && receive.mode === "enforce";
    if (source.doubt !== null) warnOfProxy("a trusted proxy does not name its client", { ...facts, why: source.doubt });
    if (source.refusal !== null && !refused) {
      metrics?.refused(source.refusal, { isTaken: true });
      warnOfRefused("would refuse", { ...facts, why: source.refusal });
    }

    const read = await readBody(incoming, {
      limit: receive.maxBody,
      keep: receive.keepRefused === 0 ? 0 : keepOversize,
      memory: refused ? spare : memory,
      spare,
    });
    if (refused) return refuse(c, given, read.is === "whole" ? read.body : null);
    if (read.is === "broken") {
      metrics?.refused("broken");
      const quarantineId = await keep(facts, {
        ...given,
        reason: "broken",
        detail: whyBroken(incoming),
        body: read.body,
      });
      log.warn("request broke off", { ...facts, why: whyBroken(incoming), quarantineId });
      return errorAnswer("request_timeout", "the request ended before its body was complete");
    }
    if (read.is === "busy") return busy(facts);
    if (read.is === "tooLarge") return refuseSize(given, read.body);
    // Held until the commit, so that bodies that wait for a slow store are limited as well.
    const { length } = read.body;
    if (!memory.take(length)) return busy(facts);
    return receiveBody(given, read.body).finally(() => memory.give(length));
  }

  function busy(facts: Given["facts"]): Response {
    metrics?.received(null, "unavailable");
    sampled("error", TOO_MANY, "request not taken", { ...facts, error: TOO_MANY });
    return errorAnswer("store_unavailable", TOO_MANY);
  }

  async function refuseSize(
    { facts, receivedAt }: Given,
    body: Uint8Array | null,
    message = `the body is larger than ${receive.maxBody} bytes (receive.maxBody)`,
  ): Promise<Response> {
    metrics?.refused("size");
    const quarantineId = await keep(facts, { reason: "size", detail: message, body, writing: null, receivedAt });
    log.warn("request refused", { ...facts, why: "size", limit: receive.maxBody, quarantineId });
    return errorAnswer("body_too_large", message);
  }

  /** A body that is JSON is taken as it is, whatever its headers; else it is decoded as they say. */
  async function receiveBody(given: Given, body: Uint8Array): Promise<Response> {
    const { writing } = given;
    try {
      return await take(given, body);
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      const isPacked = writing !== null && error.code === "invalid_json";
      return isPacked ? takeDecoded(given, body, writing) : quarantine(given, error, body);
    }
  }

  /** Rejects with RelayError "invalid_json" or "invalid_event" where the body is no event. */
  async function take({ facts, headers, receivedAt }: Given, body: Uint8Array): Promise<Response> {
    try {
      const trace = readTrace(headers);
      const returned = await findReturned(headers, body, store);
      if (returned !== null) {
        const { id, videoId } = returned;
        log.warn("loop stopped: an endpoint leads back to this relay", { ...facts, event: id, video: videoId });
        return new Response(JSON.stringify({ id, status: "duplicate" }), JSON_ANSWER);
      }
      const { id, status, type, legacy, videoId } = await accept(body, facts.from, receivedAt, { trace });
      metrics?.received(legacy ? "legacy" : type, status);
      log.info(status === "accepted" ? "event accepted" : "event repeated", {
        ...facts,
        event: id,
        type,
        video: videoId,
        ...(trace && { trace: trace.id }),
      });
      // Not Response.json: the server has a fast path for text and plain headers.
      return new Response(JSON.stringify({ id, status }), JSON_ANSWER);
    } catch (error) {
      if (isNoEvent(error)) throw error;
      return unavailable(facts, error);
    }
  }

  /** What is no event after decoding either is kept as it was received. */
  async function takeDecoded(given: Given, body: Uint8Array, writing: Writing): Promise<Response> {
    const { maxBody } = receive;
    if (!memory.take(maxBody)) return busy(given.facts);
    try {
      return await take(given, await decodeBody(body, writing, maxBody));
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      if (error.code === "body_too_large") return refuseSize(given, body, error.message);
      return quarantine(given, error, body);
    } finally {
      memory.give(maxBody);
    }
  }

  async function quarantine({ facts, receivedAt }: Given, why: RelayError, body: Uint8Array): Promise<Response> {
    const reason = why.code as RefusalReason;
    try {
      const { id } = await store.quarantine({
        receivedAt,
        sourceAddress: facts.from,
        reason,
        detail: why.message,
        body,
      });
      metrics?.received(null, "quarantined");
      log.warn("body quarantined", { ...facts, why: why.message, quarantineId: id });
      return errorAnswer(why.code, why.message, { quarantineId: id });
    } catch (error) {
      return unavailable(facts, error);
    }
  }

  function unavailable(facts: Given["facts"], error: unknown): Response {
    metrics?.received(null, "unavailable");
    const line = errorLine(error);
    sampled("error", line, "request not taken", { ...facts, error: line });
    return errorAnswer("store_unavailable", "the relay cannot store events right now; send it again");
  }

  async function refuse(c: Context<Env>, given: Given, body: Uint8Array | null): Promise<Response> {
    const { facts, source } = given;
    const reason = source.refusal ?? "source";
    metrics?.refused(reason);
    const quarantineId = await keep(facts, { ...given, reason, body });
    warnOfRefused("request refused", {
      ...facts,
      socket: c.env.incoming.socket.remoteAddress,
      why: reason,
      quarantineId,
    });
    const message =
      reason === "token" ? "the token in the path is missing or wrong" : `${source.address} is not an allowed sender`;
    return errorAnswer("source_not_allowed", message);
  }

  const routes = new Hono<Env>();
  const path = receive.tokens.length > 0 ? [receive.path, `${receive.path}/:token`] : [receive.path];
  for (const each of path) {
    routes.post(each, handle);
    routes.all(each, async (c) => {
      await unserved.report(c.env.incoming, "method");
      return errorAnswer("method_not_allowed", "only POST is taken here", {}, { allow: "POST" });
    });
  }
  return { routes, unserved };
}

function isNoEvent(error: unknown): error is RelayError {
  return error instanceof RelayError && (error.code === "invalid_json" || error.code === "invalid_event");
}
