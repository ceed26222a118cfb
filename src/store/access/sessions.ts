/**
 * Someone who has logged in to the dashboard. `hash`: sha256 of the session's id, hexadecimal; the id is in the cookie of its
 * browser alone. `token`, `mark`: the name of the token that it was begun with, and the beginning of that one's sha256.
 */
export type Session = {
  hash: string;
  token: string;
  mark: string;
  address: string;
  /** Milliseconds since 1970. */
  createdAt: number;
  expiresAt: number;
};

/** A link that logs in once, until then; `hash` is of the code in it. */
export type LoginLink = Omit<Session, "address" | "createdAt">;

/** What has expired is not there for any of these. */
export type SessionVerbs = {
  /** What has expired is removed then, and the oldest beyond a thousand. */
  beginSession(session: Session): Promise<void>;
  /** Null: there is none. */
  session(hash: string): Promise<Session | null>;
  /** The newest first. */
  sessions(): Promise<Session[]>;
  endSession(hash: string): Promise<void>;
  /** Ends all of them, and all links that log in; resolves with how many sessions there were. */
  endSessions(): Promise<number>;
  offerLogin(link: LoginLink): Promise<void>;
  /** The link, which is not there any longer; null: there is none. */
  takeLogin(hash: string): Promise<LoginLink | null>;
  /** The token of all relays of the store whose config names none: this one, where there was none before. */
  ensureAdminToken(token: string): Promise<string>;
};
