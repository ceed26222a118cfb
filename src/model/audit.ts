/** Who did what: changes that a person, or a program for one, has made. */

/** `by`: the name of a token and an address, or a user of this machine. */
export type Actor = { through: "cli" | "api" | "dashboard" | "relay"; by: string };

/** `verb`: as a command is called ("deliveries retry"). `subject`: an id, and what else says to what it was done. */
export type Deed = {
  verb: string;
  subject: string | null;
  /** How many it was done to, where that is not one. */
  count: number | null;
  /** "done", or the error in words. */
  outcome: string;
};

export type AuditEntry = Actor & Deed & { id: string; at: number };
