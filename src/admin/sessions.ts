import { hash } from "node:crypto";
import { RelayError } from "../errors.ts";
import { sleep } from "../platform/timing.ts";
import type { Clock, Random } from "../ports.ts";
import type { LoginLink, Session } from "../store/access/sessions.ts";
import type { Store } from "../store/store.ts";
import type { Token } from "./auth.ts";

/** How long a session lasts, in milliseconds: a shift, and no day and night. */
const LIFE = 12 * 3_600_000;

/** Bytes of a session's id, and of a link's code. */
const BYTES = 32;

/** Someone logs in because the database is in trouble: its commit is not waited for longer than this; milliseconds. */
const PATIENCE = 1_000;

/** Sessions that this process remembers. */
const REMEMBERED = 1_000;

type Verbs = Pick<
  Store,
  "beginSession" | "session" | "sessions" | "endSession" | "endSessions" | "offerLogin" | "takeLogin"
>;

export type Sessions = ReturnType<typeof createSessions>;

/** The mark of a token, by which a session ends when its token gets another value. */
export const markOf = (token: string): string => hash("sha256", token, "hex").slice(0, 16);

const hashOf = (id: string): string => hash("sha256", id, "hex");

/** The code of a link that logs in once. */
export function newLogin(
  { name, token }: Token,
  random: Pick<Random, "bytes">,
  expiresAt: number,
): { code: string; link: LoginLink } {
  const code = Buffer.from(random.bytes(BYTES)).toString("base64url");
  return { code, link: { hash: hashOf(code), token: name, mark: markOf(token), expiresAt } };
}

/**
 * Sessions of the dashboard (CONTRACT, "Admin listener"). They are in the store, so that they outlive the process and are the
 * same for each relay on it. While the store cannot be used, those that this process has seen hold, and new ones are kept in
 * its memory: the pages that need no database stay open to who has the token; one that ends then has ended for this process.
 * `onEnd` is called with the hash of each one that ends here; null: of all.
 */
export function createSessions(
  { clock, random }: { clock: Clock; random: Pick<Random, "bytes"> },
  onEnd: (hash: string | null) => void,
) {
  const seen = new Map<string, Session>();
  /** Of those that were seen: the store does not have them yet. */
  const unsaved = new Set<string>();
  /** Ended here, while the store could not take that in: it may have them still. */
  const ended = new Set<string>();
  /** All that began until then have ended, whether or not the store could take that in. */
  let allEndedAt = Number.NEGATIVE_INFINITY;

  function remember(session: Session): void {
    seen.delete(session.hash);
    seen.set(session.hash, session);
    if (seen.size > REMEMBERED) forget(seen.keys().next().value!);
  }

  function forget(hash: string): void {
    seen.delete(hash);
    unsaved.delete(hash);
  }

  /** Later, where the store is out of order. */
  async function save(session: Session, store: Verbs): Promise<void> {
    unsaved.add(session.hash);
    try {
      await store.beginSession(session);
      unsaved.delete(session.hash);
    } catch (error) {
      if (!isOut(error)) throw error;
    }
  }

  async function remove(hash: string, store: Verbs): Promise<void> {
    ended.add(hash);
    if (ended.size > REMEMBERED) ended.delete(ended.values().next().value!);
    await store.endSession(hash);
    ended.delete(hash);
  }

  async function look(hash: string, store: Verbs): Promise<Session | null> {
    if (ended.has(hash)) {
      remove(hash, store).catch(() => {});
      return null;
    }
    const known = seen.get(hash) ?? null;
    try {
      const found = await store.session(hash);
      if (found !== null && found.createdAt <= allEndedAt) {
        remove(hash, store).catch(() => {});
        return null;
      }
      if (found !== null || known === null || !unsaved.has(hash)) return found;
      await save(known, store);
    } catch (error) {
      if (!isOut(error)) throw error;
    }
    return known;
  }

  return {
    /** Of a cookie's id; null: there is none, it has ended, or its token is another one now. */
    async find(id: string, { store, tokens, now }: { store: Verbs; tokens: Token[]; now: number }) {
      const key = hashOf(id);
      const found = await look(key, store);
      if (found === null || found.expiresAt <= now) {
        forget(key);
        return null;
      }
      remember(found);
      const token = tokens.find(({ name, token }) => name === found.token && markOf(token) === found.mark);
      return token === undefined ? null : { session: found, name: token.name, can: token.can };
    },

    /** Begins one; the id is for the cookie. */
    async begin(
      { name, mark }: { name: string; mark: string },
      { store, address, now }: { store: Verbs; address: string; now: number },
    ): Promise<{ id: string; session: Session }> {
      const id = Buffer.from(random.bytes(BYTES)).toString("base64url");
      const session = { hash: hashOf(id), token: name, mark, address, createdAt: now, expiresAt: now + LIFE };
      remember(session);
      await Promise.race([save(session, store), sleep(PATIENCE, clock)]);
      return { id, session };
    },

    /** The name and mark of a link's token; null: it was used, or has expired. */
    take: (code: string, store: Verbs): Promise<LoginLink | null> => store.takeLogin(hashOf(code)),

    async end({ hash }: Session, store: Verbs): Promise<void> {
      forget(hash);
      onEnd(hash);
      await remove(hash, store);
    },

    /** Everywhere; resolves with how many there were. Where the store cannot take that in, they have ended for this process. */
    async endAll(store: Verbs, now: number): Promise<number> {
      allEndedAt = now;
      seen.clear();
      unsaved.clear();
      onEnd(null);
      return store.endSessions();
    },
  };
}

const isOut = (error: unknown) => error instanceof RelayError && error.code === "store_unavailable";
