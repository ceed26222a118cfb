/** "lasts": it is said again, once a day, or after it has flapped. "flaps": its begins and ends are not said for a while. */
export type Said = "begins" | "lasts" | "flaps" | "ends";

/** "page": something is being lost, or soon will be. "ticket": for the working day. */
export type Severity = "page" | "ticket";

/** An alarm in words. */
export type AlarmWords = {
  name: string;
  severity: Severity;
  /** The endpoint that it is of, where it is of one. */
  subject: string | null;
  what: string;
  means: string;
  /** What helps, in a shell. */
  commands: string[];
};

/** An alarm that stands. `holds`: for how long it must before it begins, in milliseconds. */
export type StandingAlarm = AlarmWords & { holds: number; mayBegin: boolean };

/** What is to be said of an alarm. `at`: since when that is so, milliseconds since 1970. The same id is said once. */
export type Alert = AlarmWords & { id: string; says: Said; at: number };

/** Where alerts go: with "page" those of no ticket. */
export type Receiver = { id: string; atLeast: Severity };

/** How one stands. Times are milliseconds since 1970; `failingSince` null: the last that was sent arrived. */
export type ReceiverState = {
  id: string;
  waiting: number;
  sentAt: number | null;
  failingSince: number | null;
  error: string | null;
};

/** What one is to be sent now, in one message. `failures`: in a row, before this one; `upTo`: where what waits behind it begins. */
export type AlertJob = { receiver: string; claim: string; failures: number; alerts: Alert[]; upTo: string };

/** `at`: when it is tried again, milliseconds since 1970. */
export type AlertOutcome = { is: "sent" } | { is: "failed"; error: string; at: number };
