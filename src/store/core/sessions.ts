import type { LoginLink, Session, SessionVerbs } from "../access/sessions.ts";
import * as meta from "./rows/meta.ts";
import { apart, insert, type Job, job, sql, type Tx } from "./tx.ts";

// Who has logged in to the dashboard, and the links that log in once.

/** Sessions, and links, that are kept of one token: many logins with it end no session of another one. */
const MOST = 1_000;

type Row = {
  hash: string;
  token: string;
  mark: string;
  address: string;
  once: 0 | 1;
  created_at: number;
  expires_at: number;
};

const add = insert(
  "sessions",
  ["hash", "token", "mark", "address", "once", "created_at", "expires_at"],
  "ON CONFLICT (hash) DO NOTHING",
);
const ONE = sql<[string, number, number], Row>("SELECT * FROM sessions WHERE hash = ? AND once = ? AND expires_at > ?");
const ALL = sql<[number], Row>(
  "SELECT * FROM sessions WHERE once = 0 AND expires_at > ? ORDER BY created_at DESC, hash DESC",
);
const REMOVE = sql<[string, number]>("DELETE FROM sessions WHERE hash = ? AND once = ?");
const REMOVE_EXPIRED = sql<[number]>("DELETE FROM sessions WHERE expires_at <= ?");
const REMOVE_OLDEST = sql<[string, number]>(
  `DELETE FROM sessions
     WHERE hash IN (SELECT hash FROM sessions WHERE token = ? ORDER BY created_at DESC, hash DESC LIMIT 1000000 OFFSET ?)`,
);
const REMOVE_ALL = sql<[]>("DELETE FROM sessions");

type SessionWorks = {
  [Verb in keyof SessionVerbs]: (
    ...args: Parameters<SessionVerbs[Verb]>
  ) => Job<Awaited<ReturnType<SessionVerbs[Verb]>>>;
};

export const sessionWorks: SessionWorks = {
  beginSession: (session) => apart("sessions", async (tx) => keep(tx, session, 0)),
  session: (hash) =>
    job(async (tx) => {
      const row = await tx.get(ONE, [hash, 0, tx.now()]);
      return row === undefined ? null : toSession(row);
    }),
  sessions: () => job(async (tx) => (await tx.all(ALL, [tx.now()])).map(toSession)),
  endSession: (hash) => apart("sessions", async (tx) => tx.write(REMOVE, [hash, 0])),
  endSessions: () =>
    apart("sessions", async (tx) => {
      const { length } = await tx.all(ALL, [tx.now()]);
      tx.write(REMOVE_ALL, []);
      return length;
    }),
  offerLogin: (link) => apart("sessions", async (tx) => keep(tx, { ...link, address: "", createdAt: tx.now() }, 1)),
  takeLogin: (hash) =>
    apart("sessions", async (tx) => {
      const row = await tx.get(ONE, [hash, 1, tx.now()]);
      tx.write(REMOVE, [hash, 1]);
      return row === undefined ? null : toLink(row);
    }),
  ensureAdminToken: (token) =>
    apart("sessions", async (tx) => {
      const known = await meta.readText(tx, ADMIN_TOKEN);
      if (known === null) meta.writeText(tx, ADMIN_TOKEN, token);
      return known ?? token;
    }),
};

const ADMIN_TOKEN = "admin-token";

function keep(tx: Tx, { hash, token, mark, address, createdAt, expiresAt }: Session, once: 0 | 1): void {
  tx.write(REMOVE_EXPIRED, [tx.now()]);
  tx.write(REMOVE_OLDEST, [token, MOST - 1]);
  add(tx, { hash, token, mark, address, once, created_at: createdAt, expires_at: expiresAt });
}

const toLink = ({ hash, token, mark, expires_at }: Row): LoginLink => ({ hash, token, mark, expiresAt: expires_at });

const toSession = (row: Row): Session => ({ ...toLink(row), address: row.address, createdAt: row.created_at });
