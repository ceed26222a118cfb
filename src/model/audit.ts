/** Who did what: changes that a person, or a program for one, has made. */

/** `by`: the name of a token and an address, or a user of this machine. */
export type Actor = { through: "cli" | "api" | "dashboard" | "relay"; by: string };

/** What is audited, as a command is called. */
export const DEEDS = [
  ...(["backup", "contexts import", "deliveries cancel", "deliveries retry", "doctor", "endpoints pause"] as const),
  ...(["endpoints resume", "endpoints test", "events replay", "media mend", "media retry", "media verify"] as const),
  ...(["prune", "quarantine reprocess", "reload", "restore", "tasks cancel", "tasks create", "videos forget"] as const),
  ...([
    "alerts silence",
    "alerts silence --end",
    "alerts test",
    "archive forget",
    "archive restore",
    "archive verify",
    "media links rotate",
    "media move",
  ] as const),
  ...(["log in", "log in refused", "log out", "log out everywhere"] as const),
] as const;
export type DeedVerb = (typeof DEEDS)[number];

/** `subject`: an id, and what else says to what it was done. */
export type Deed = {
  verb: DeedVerb;
  subject: string | null;
  /** How many it was done to, where that is not one. */
  count: number | null;
  /** "done", or the error in words. */
  outcome: string;
};

/** A later version may have entered other verbs. */
export type AuditEntry = Actor & Omit<Deed, "verb"> & { id: string; at: number; verb: string };
