import { every } from "../platform/timing.ts";
import type { Clock } from "../ports.ts";
import type { Session } from "../store/access/sessions.ts";

/** How often it is looked whether anything has changed, while someone wants to know; milliseconds. */
const LOOK_EVERY = 1_000;

/** A line now and then, so that no proxy takes the stream for dead; milliseconds. */
const PING_EVERY = 20_000;

/** After the last change pages hear of it once more, for what they hold of a few seconds ago (`summary.ts`); milliseconds. */
const ONCE_MORE = 4_000;

/** Streams at once; a browser has six connections for a host. */
const MOST = 96;
const MOST_OF_ONE = 16;

type Stream = { session: Session; say(text: string): void; close(): void };

export type Live = ReturnType<typeof createLive>;

/**
 * Tells open pages that something has changed, at most once a second, and not what: they ask for themselves anew. Nothing is
 * looked at while no page is open.
 */
export function createLive(clock: Clock) {
  const streams = new Set<Stream>();
  let mark: (() => Promise<string>) | null = null;
  let known: string | null = null;
  let isLooking = false;
  let onceMoreAt: number | null = null;
  let cancels: (() => void)[] = [];

  /** The page asks for itself once more, and sees that its login has ended. */
  function end(stream: Stream): void {
    stream.say("event: over\ndata: 1\n\n");
    stream.close();
  }

  function sayAll(text: string): void {
    for (const stream of [...streams]) {
      if (stream.session.expiresAt <= clock.now()) end(stream);
      else stream.say(text);
    }
  }

  async function look(): Promise<void> {
    if (isLooking || mark === null) return;
    isLooking = true;
    const next = await mark().catch(() => "trouble");
    isLooking = false;
    const now = clock.elapsed();
    const hasChanged = known !== null && next !== known;
    const isLast = onceMoreAt !== null && now >= onceMoreAt;
    if (hasChanged || isLast) sayAll("event: changed\ndata: 1\n\n");
    if (hasChanged) onceMoreAt = now + ONCE_MORE;
    else if (isLast) onceMoreAt = null;
    known = next;
  }

  function add(stream: Stream): void {
    streams.add(stream);
    if (streams.size > 1) return;
    known = null;
    onceMoreAt = null;
    cancels = [every(LOOK_EVERY, clock, () => void look()), every(PING_EVERY, clock, () => sayAll(": still here\n\n"))];
    void look();
  }

  function remove(stream: Stream): void {
    streams.delete(stream);
    if (streams.size > 0) return;
    for (const cancel of cancels.splice(0)) cancel();
  }

  return {
    /** A stream for a page of this session; null: there are too many. `read`: changes whenever something was committed. */
    open(session: Session, read: () => Promise<string>): Response | null {
      const own = [...streams].filter((one) => one.session.hash === session.hash);
      if (streams.size >= MOST || own.length >= MOST_OF_ONE) return null;
      mark = read;
      const encoder = new TextEncoder();
      let stream: Stream | null = null;
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          const say = (text: string) => controller.enqueue(encoder.encode(text));
          stream = {
            session,
            say,
            close() {
              remove(stream!);
              controller.close();
            },
          };
          say("retry: 5000\n\n");
          add(stream);
        },
        cancel: () => remove(stream!),
      });
      const headers = { "content-type": "text/event-stream", "x-accel-buffering": "no" };
      return new Response(body, { headers });
    },

    /** Ends those of a session; null: all of them. */
    end(hash: string | null): void {
      for (const stream of [...streams]) if (hash === null || stream.session.hash === hash) end(stream);
    },
  };
}
