import type { Reading } from "../../../src/platform/net/exchange.ts";
import type { Outbound } from "../../../src/platform/net/outbound.ts";
import type { Clock } from "../../../src/ports.ts";

/** What an app does with a request. `drip`: the body comes byte by byte and never ends. */
export type Reply =
  | { status: number; headers?: Record<string, string>; drip?: boolean }
  /** The connection fails with this code. */
  | { error: string }
  /** No head of an answer ever comes. */
  | "hang";

/** How an app answers at a time, in milliseconds since 1970. */
export type Weather = (now: number, videoId: string) => Reply;

/** An app's answer takes so long, in milliseconds. */
const LATENCY = 20;

/** Between two probes, at least, in milliseconds. */
const LEAST_DISTANCE = 5_000;

export type Taken = { videoId: string; sequence: number; at: number };

export type SimApp = Outbound & {
  /** What it answered with success, in order. */
  taken: Taken[];
  /** The most requests that it had at once. */
  peak: number;
  /**
   * Requests that were more than its breaker allows: one while it is open, seconds after the last, then twice as many with each
   * success.
   */
  tooMany: number;
  /** The relay's breaker for it has opened, or closed. */
  breaker(change: "opened" | "closed"): void;
};

/** An app without a network: it answers on the test's clock. */
export function simApp({ clock, weather }: { clock: Clock; weather: Weather }): SimApp {
  const inFlight = new Set<object>();
  /** Requests that may be under way beside those that began before the breaker last changed; null: any number. */
  let allowed: number | null = null;
  let before = new Set<object>();
  let isOpen = false;
  let noneBefore = 0;

  const app: SimApp = {
    taken: [],
    peak: 0,
    tooMany: 0,
    breaker(change) {
      allowed = 1;
      isOpen = change === "opened";
      noneBefore = clock.now() + LEAST_DISTANCE;
      before = new Set(inFlight);
    },
    async close() {},
    request: () => Promise.reject(new Error("an endpoint gets a POST")),
    async exchange(_url, { body, signal, reading }) {
      const { wochitVideoId: videoId, relay } = JSON.parse(Buffer.from(body).toString()) as {
        wochitVideoId: string;
        relay: { sequence: number };
      };
      const reply = weather(clock.now(), videoId);
      const one = {};
      inFlight.add(one);
      app.peak = Math.max(app.peak, inFlight.size);
      const isEarly = isOpen && clock.now() < noneBefore;
      const isOver = allowed !== null && [...inFlight].filter((each) => !before.has(each)).length > allowed;
      if (isEarly || isOver) app.tooMany++;
      try {
        const { status, headers = {}, drip } = await answer(reply, signal, reading);
        if (status < 300) {
          app.taken.push({ videoId, sequence: relay.sequence, at: clock.now() });
          if (allowed !== null && !isOpen) allowed *= 2;
        }
        if (drip) await new Promise<void>((resolve) => void reading.limit(resolve));
        return { status, headers, start: Buffer.from(drip ? "x" : "ok") };
      } finally {
        inFlight.delete(one);
        if (!before.has(one)) noneBefore = clock.now() + LEAST_DISTANCE;
      }
    },
  };

  function answer(
    reply: Reply,
    signal: AbortSignal,
    { within = () => () => {} }: Reading,
  ): Promise<Exclude<Reply, string | { error: string }>> {
    return new Promise((resolve, reject) => {
      const cancel = reply === "hang" ? () => {} : clock.after(LATENCY, end);
      const endTime = within(giveUp);
      const abort = () => giveUp(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      function settle(): void {
        signal.removeEventListener("abort", abort);
        endTime();
      }
      function end(): void {
        settle();
        if (typeof reply === "string") return;
        if ("status" in reply) resolve(reply);
        else reject(Object.assign(new Error(`it failed: ${reply.error}`), { code: reply.error }));
      }
      function giveUp(why: Error): void {
        cancel();
        settle();
        reject(why);
      }
    });
  }
  return app;
}
