import { errorLine } from "../errors.ts";
import type { Kept } from "./media.ts";

/** What is wrong with a copy. `unreadable`: reading it fails. `detail` in words: "is cut: 5 of 7 bytes". */
export type Wrong = { fault: "missing" | "damaged" | "unreadable"; detail: string };

/** Opens a copy for reading: null when the target has none there; throws what the target throws. */
export type Read = (
  copy: { target: string; key: string },
  signal: AbortSignal,
) => Promise<AsyncIterable<Uint8Array> | null>;

/** After this many copies that could not be read their target itself is checked. */
const FEW = 5;

type Target = {
  /** Copies that could not be read, and how many there had been before each. */
  held: { medium: Kept; wrong: Wrong; mark: number }[];
  suspicions: number;
  /** The last copy that could be read. */
  seen: Kept | null;
  lost: boolean;
  asking: Promise<void> | null;
};

/**
 * Distinguishes copies that are gone from targets that are gone. A copy that could not be read is held back until another
 * copy of its target can be, or until there are a few of them: then a copy that was read before is read again, or, without
 * one, the target is looked into. Copies of a target that is gone are not judged.
 */
export function watchTargets(parts: {
  read: Read;
  /** Whether a target holds anything at all: null when it does, else what is wrong with it. */
  lookInto(target: string): Promise<string | null>;
  signal: AbortSignal;
  /** Called when a suspicion is confirmed. */
  report(medium: Kept, wrong: Wrong): Promise<void>;
  /** Called once for a target that cannot be read. */
  lost(target: string, why: string): void;
  /** Called with a number of further copies that are not judged. */
  unreached(copies: number): void;
}) {
  const targets = new Map<string, Target>();

  function of({ target }: Kept): Target {
    const known = targets.get(target);
    if (known) return known;
    const fresh: Target = { held: [], suspicions: 0, seen: null, lost: false, asking: null };
    targets.set(target, fresh);
    return fresh;
  }

  async function findTrouble(id: string, { seen, held }: Target): Promise<string | null> {
    if (seen === null) {
      const thrown = held.find(({ wrong }) => wrong.fault === "unreadable");
      return thrown ? thrown.wrong.detail : parts.lookInto(id);
    }
    try {
      const stream = await parts.read(seen, parts.signal);
      if (stream === null) return "copies are gone that were there a moment ago";
      // Its first bytes are enough.
      for await (const _ of stream) break;
      return null;
    } catch (error) {
      return errorLine(error);
    }
  }

  async function decide(id: string, target: Target): Promise<void> {
    const trouble = await findTrouble(id, target);
    if (parts.signal.aborted) return;
    const held = target.held.splice(0);
    if (trouble === null) {
      for (const { medium, wrong } of held) await parts.report(medium, wrong);
      return;
    }
    target.lost = true;
    parts.unreached(held.length);
    parts.lost(id, trouble);
  }

  return {
    isLost: (medium: Kept) => of(medium).lost,

    /** A copy is about to be read; the result is passed to `confirm`. */
    begin: (medium: Kept) => of(medium).suspicions,

    /** A copy was read: what could not be read before this read began is really wrong. */
    async confirm(medium: Kept, mark: number): Promise<void> {
      const target = of(medium);
      target.seen = medium;
      const released = target.held.filter((one) => one.mark < mark);
      target.held = target.held.filter((one) => one.mark >= mark);
      for (const one of released) await parts.report(one.medium, one.wrong);
    },

    /** A copy could not be read. */
    async suspect(medium: Kept, wrong: Wrong): Promise<void> {
      const target = of(medium);
      if (target.lost) return parts.unreached(1);
      target.held.push({ medium, wrong, mark: target.suspicions++ });
      if (target.held.length < FEW) return;
      target.asking ??= decide(medium.target, target).finally(() => {
        target.asking = null;
      });
      await target.asking;
    },

    /** At the end: decides on what is still held back. */
    async settle(): Promise<void> {
      for (const [id, target] of targets) if (target.held.length > 0) await decide(id, target);
    },
  };
}
