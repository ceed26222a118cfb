import type { Config } from "../config/schema.ts";
import { errorLine } from "../errors.ts";
import type { Refusal, RefusalReason } from "../model/event.ts";
import { createTurns } from "../platform/keyed-mutex.ts";
import type { Log, Metrics } from "../ports.ts";
import type { Store } from "../store/store.ts";
import { parseEvent } from "../wochit/event.ts";
import type { MemoryLimit } from "./body.ts";
import { decodeBody, type Writing } from "./decode.ts";

/** The fields of a request in the log. */
export type Facts = { from: string; request?: string };

export type Keep = (
  facts: Facts,
  refused: {
    reason: RefusalReason;
    detail?: string;
    body: Uint8Array | null;
    writing: Writing | null;
    receivedAt: number;
  },
) => Promise<string | null>;

/**
 * Keeps refused bodies in quarantine; resolves with the id, or null where there is nothing to keep. Best effort: a failure
 * does not change the response. One at a time, and within `spare`, so that refused senders do not delay the commits of
 * events. A compressed body is kept decompressed where possible.
 */
export function createKeep(options: {
  store: Pick<Store, "quarantine">;
  config: Pick<Config, "receive">;
  log: Pick<Log, "warn">;
  metrics: Pick<Metrics, "eventRefused"> | undefined;
  spare: MemoryLimit;
}): Keep {
  const { store, log, metrics, spare } = options;
  const { receive } = options.config;
  const inTurn = createTurns();

  return async (facts, { reason, detail = null, body, writing, receivedAt }) => {
    if (body === null || body.length === 0 || receive.keepRefused === 0) return null;
    const size = Math.max(body.length, writing === null ? 0 : receive.maxBody);
    if (!spare.take(size)) return null;
    const kept = inTurn("", async () => {
      const bytes = writing === null ? body : await decodeBody(body, writing, receive.maxBody).catch(() => body);
      // A body over the limit is from an allowed sender. It is not parsed, because that could take long.
      const isLarge = bytes.length > receive.maxBody;
      const event = isLarge ? null : eventIn(bytes);
      if (event !== null && reason === "source") metrics?.eventRefused();
      const isEvent = isLarge || event !== null;
      return store.quarantine({ receivedAt, sourceAddress: facts.from, reason, detail, body: bytes, isEvent, event });
    });
    try {
      return (await kept).id;
    } catch (error) {
      log.warn("refused body not kept", { ...facts, error: errorLine(error) });
      return null;
    } finally {
      spare.give(size);
    }
  };
}

/** What a body says where it reads as an event; null: it does not. */
function eventIn(body: Uint8Array): Refusal["event"] {
  try {
    const { videoId, type, context } = parseEvent(body);
    return { videoId, type, context };
  } catch {
    return null;
  }
}
