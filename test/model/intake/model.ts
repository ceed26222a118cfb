import { type Post, read, type Said } from "./read.ts";

/**
 * CONTRACT's "State", "Mapping", "Duplicate" and "Late" as a program, with what an enriched body says of its event. It is
 * slow and short: what is known of a video is told anew, from all that was said of it, whenever it is asked for.
 */

/** One thing that can be wrong in the model, so that a walk is seen to find it. */
export const MISTAKES = [
  "the edge of the window lies outside",
  "an autosave stands between two events",
  "an autosave never stands between two events",
  "signatures of links count",
  "late events are the newest",
  "a late event is what the next is compared with",
  "an import is the newest",
  "an attempt asks the mapping again",
  "a straggling autosave revives a deleted draft",
  "a failure hides that a video was ready",
  "the history of contexts is not kept",
  "forget drops the fingerprint",
] as const;
export type Mistake = (typeof MISTAKES)[number];

/** An event that was accepted. */
type Taken = Said & {
  body: string;
  receivedAt: number;
  /** Where it stands among what was said of its video. */
  place: number;
  /** Of two at one place this decides: the order of commit. */
  nth: number;
  late: boolean;
  sequence: number;
  duplicates: number;
  /** The context that it was given, where it has none of its own. */
  given: string | null;
  isErased: boolean;
};
type Import = { context: string; at: number; place: number; nth: number };

type Video = {
  events: Taken[];
  imports: Import[];
  sequence: number;
  /** The latest place that was given to an event in time, or to an import. */
  place: number;
  firstSeenAt: number;
  lastEventAt: number;
  /** What the next event may repeat. */
  landmark: Taken | null;
  forgottenAt: number | null;
};

export type Answer = { is: "accepted" | "duplicate"; event: number } | { is: "invalid" | "not_found" };

type Maybe<T> = T | Promise<T>;

/** What the model and a store behind it have in common. Events and refused bodies go by number, in order of their commit. */
export type Intake = {
  post(body: string, at: number): Maybe<Answer>;
  /** All in one commit. */
  burst(bodies: string[], at: number): Maybe<Answer[]>;
  import(rows: { videoId: string; context: string }[], override: boolean, now: number): Maybe<{ imported: number }>;
  /** Erases what there is of a video. */
  forget(videoId: string, now: number): Maybe<{ events: number; refused: number } | "conflict" | "not_found">;
  /** Keeps a body in quarantine. */
  refuse(body: string, at: number): Maybe<number>;
  reprocess(index: number): Maybe<Answer>;
  pass(now: number): Maybe<void>;
  restart(): Maybe<void>;

  /** How many events were accepted. */
  count(): number;
  duplicates(index: number): Maybe<number>;
  video(videoId: string): Maybe<SeenVideo | null>;
  /** What an enriched body says, but for the id and the media of its event; null once it is erased. */
  body(index: number, how?: { replay: boolean }): Maybe<Post | null>;
};

export type SeenVideo = {
  state: string;
  context: string | null;
  contextHistory: { context: string; since: number }[];
  title: string | null;
  duration: number | null;
  firstSeenAt: number;
  lastEventAt: number;
  forgottenAt: number | null;
};

export class IntakeModel implements Intake {
  readonly #events: Taken[] = [];
  readonly #videos = new Map<string, Video>();
  readonly #kept: ({ body: string; at: number } | null)[] = [];
  #said = 0;
  readonly #window: number;
  readonly #mistake: Mistake | undefined;

  constructor({ window = 600_000, mistake }: { window?: number; mistake?: Mistake } = {}) {
    this.#window = window;
    this.#mistake = mistake;
  }

  /** A body is taken in; `late`: from quarantine, where it came `at`. */
  post(body: string, at: number, late = false): Answer {
    const said = read(body, { bare: this.#mistake !== "signatures of links count" });
    if (said === null) return { is: "invalid" };
    const video = this.#videoOf(said.videoId, at);
    const first = this.#repeated(video, said, at);
    if (first !== null) {
      first.duplicates++;
      return { is: "duplicate", event: this.#events.indexOf(first) };
    }
    const before = this.#tell(video);
    const { lastEventAt, sequence } = video;
    const place = late && this.#mistake !== "late events are the newest" ? at : Math.max(video.place, at);
    video.place = late ? video.place : place;
    video.firstSeenAt = late ? Math.min(video.firstSeenAt, at) : video.firstSeenAt;
    video.lastEventAt = Math.max(lastEventAt, at);
    const taken: Taken = {
      ...said,
      body,
      receivedAt: at,
      place,
      late,
      sequence: ++video.sequence,
      nth: this.#said++,
      ...NEW,
    };
    this.#events.push(taken);
    video.events.push(taken);
    this.#give(video);
    this.#mark(video, taken, before, sequence > 0 && at < lastEventAt);
    return { is: "accepted", event: this.#events.length - 1 };
  }

  burst(bodies: string[], at: number): Answer[] {
    return bodies.map((body) => this.post(body, at));
  }

  import(rows: { videoId: string; context: string }[], override: boolean, now: number): { imported: number } {
    let imported = 0;
    for (const { videoId, context } of rows) {
      const video = this.#videoOf(videoId, now);
      const before = this.#tell(video).context;
      video.place = Math.max(video.place, now);
      const isNewest = override || this.#mistake === "an import is the newest";
      video.imports.push({ context, at: now, place: isNewest ? video.place : 0, nth: this.#said++ });
      this.#give(video);
      if (this.#tell(video).context !== before) imported++;
    }
    return { imported };
  }

  forget(videoId: string, now: number): { events: number; refused: number } | "conflict" | "not_found" {
    const refused = this.#kept.filter((one) => one !== null && read(one.body)?.videoId === videoId).length;
    for (const [index, one] of this.#kept.entries()) {
      if (one !== null && read(one.body)?.videoId === videoId) this.#kept[index] = null;
    }
    const video = this.#videos.get(videoId);
    if (video === undefined) return refused === 0 ? "not_found" : { events: 0, refused };
    const isLeft = video.imports.length > 0 || video.events.some(({ isErased }) => !isErased);
    if (video.forgottenAt !== null && refused === 0 && !isLeft) return "conflict";
    for (const event of video.events) Object.assign(event, { isErased: true, context: null, given: null });
    Object.assign(video, { imports: [], forgottenAt: now });
    if (this.#mistake === "forget drops the fingerprint") video.landmark = null;
    return { events: video.events.length, refused };
  }

  refuse(body: string, at: number): number {
    return this.#kept.push({ body, at }) - 1;
  }

  reprocess(index: number): Answer {
    const kept = this.#kept[index];
    if (!kept) return { is: "not_found" };
    const answer = this.post(kept.body, kept.at, true);
    if (answer.is !== "invalid") this.#kept[index] = null;
    return answer;
  }

  /** Neither time that passes nor a restart changes anything. */
  pass(): void {}
  restart(): void {}

  count(): number {
    return this.#events.length;
  }

  duplicates(index: number): number {
    return this.#events[index]!.duplicates;
  }

  video(videoId: string): SeenVideo | null {
    const video = this.#videos.get(videoId);
    if (video === undefined) return null;
    const { firstSeenAt, lastEventAt, forgottenAt } = video;
    const { state, context, history, title, duration } = this.#tell(video);
    return { state, context, contextHistory: history, title, duration, firstSeenAt, lastEventAt, forgottenAt };
  }

  /** Whether a video was ready, and nothing has deleted it since. */
  hasFile(videoId: string): boolean {
    const video = this.#videos.get(videoId);
    return video !== undefined && this.#tell(video).hasFile;
  }

  /** Of its newest event; 0: it has none. */
  sequence(videoId: string): number {
    return this.#videos.get(videoId)?.sequence ?? 0;
  }

  body(index: number, { replay = false } = {}): Post | null {
    const event = this.#events[index]!;
    if (event.isErased) return null;
    const isAsked = this.#mistake === "an attempt asks the mapping again";
    const told = this.#tell(this.#videos.get(event.videoId)!);
    const given = isAsked ? told.context : event.given;
    const contexts = new Set(told.history.map(({ context }) => context).reverse());
    const contextFrom = event.context !== null ? "event" : given !== null ? "mapping" : null;
    return {
      ...event.members,
      ...(event.dialect === "legacy" && !event.failure ? { type: "video.ready" } : {}),
      ...(contextFrom === "mapping" ? { videoContext: given } : {}),
      relay: {
        receivedAt: new Date(event.receivedAt).toISOString(),
        sequence: event.sequence,
        dialect: event.dialect,
        contextFrom,
        ...(contextFrom === "mapping" ? { contexts: [...contexts] } : {}),
        ...(replay ? { replay: true } : {}),
        ...(event.late ? { late: true } : {}),
      },
    };
  }

  #videoOf(videoId: string, at: number): Video {
    const known = this.#videos.get(videoId);
    if (known) return known;
    const landmark = null;
    const made: Video = {
      events: [],
      imports: [],
      sequence: 0,
      place: 0,
      firstSeenAt: at,
      lastEventAt: at,
      landmark,
      forgottenAt: null,
    };
    this.#videos.set(videoId, made);
    return made;
  }

  #repeated({ landmark }: Video, { print }: Said, at: number): Taken | null {
    if (this.#window === 0 || print === null || landmark === null || landmark.print !== print) return null;
    const apart = Math.abs(at - landmark.receivedAt);
    const isOutside =
      this.#mistake === "the edge of the window lies outside" ? apart >= this.#window : apart > this.#window;
    return isOutside ? null : landmark;
  }

  /** What the next event may repeat, after this one. `isOld`: another one was received after it. */
  #mark(video: Video, taken: Taken, before: Told, isOld: boolean): void {
    if (taken.late && video.landmark !== null && video.landmark.place > taken.receivedAt) return;
    const after = this.#tell(video);
    const changes = (["state", "context", "title"] as const).some((what) => before[what] !== after[what]);
    const isAutosave = taken.type === "draft.update" && this.#mistake !== "an autosave stands between two events";
    if (isAutosave) {
      if (changes && this.#mistake !== "an autosave never stands between two events") video.landmark = null;
    } else if (taken.late && isOld && this.#mistake !== "a late event is what the next is compared with") {
      video.landmark = null;
    } else video.landmark = taken;
  }

  /** Events without a context get the one of their place; where none was known there, the first that becomes known. */
  #give(video: Video): void {
    let context: string | null = null;
    for (const said of inOrder(video)) {
      context = said.context ?? context;
      if ("given" in said) said.given ??= context;
    }
    for (const event of video.events) if (!event.isErased) event.given ??= context;
  }

  /** What all that was said of a video comes to. */
  #tell(video: Video): Told {
    const told: Told = {
      state: video.forgottenAt === null ? "unknown" : "deleted",
      context: null,
      history: [],
      title: null,
      duration: null,
      hasFile: false,
    };
    for (const said of inOrder(video)) {
      if (said.context !== null && said.context !== told.context) {
        if (this.#mistake === "the history of contexts is not kept") told.history.pop();
        told.context = said.context;
        told.history.push({ context: said.context, since: "at" in said ? said.at : said.receivedAt });
      }
      if ("at" in said) continue;
      told.title = said.title ?? told.title;
      told.duration = said.duration ?? told.duration;
      told.state = this.#nextState(told.state, told.hasFile, said);
      if (!said.failure && said.type === "video.ready") told.hasFile = true;
      if (!said.failure && said.type === "video.delete") told.hasFile = false;
    }
    return told;
  }

  #nextState(state: string, wasReady: boolean, { type, failure }: Said): string {
    const isReady = this.#mistake === "a failure hides that a video was ready" ? state === "ready" : wasReady;
    if (failure) return "failed";
    if (type === "video.ready") return "ready";
    if (type === "video.delete") return "deleted";
    if (type === "draft.delete") return isReady ? "ready" : "deleted";
    if (type === "draft.new") return isReady ? "ready" : "draft";
    if (type !== "draft.update" && type !== "draft.exit") return state;
    if (state === "deleted" && this.#mistake !== "a straggling autosave revives a deleted draft") return state;
    return isReady ? "ready" : "draft";
  }
}

type Told = {
  state: string;
  context: string | null;
  history: { context: string; since: number }[];
  title: string | null;
  duration: number | null;
  hasFile: boolean;
};

const NEW = { duplicates: 0, given: null, isErased: false };

/** All that was said of a video, in order. */
function inOrder({ events, imports }: Video): (Import | Taken)[] {
  return [...imports, ...events.filter(({ isErased }) => !isErased)].sort((a, b) => a.place - b.place || a.nth - b.nth);
}
