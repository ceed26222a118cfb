/** "lasts": it is said again, once a day, or after it has flapped. "flaps": its begins and ends are not said for a while. */
export type Said = "begins" | "lasts" | "flaps" | "ends";

/** "page": something is being lost, or soon will be. "ticket": for the working day. */
export type Severity = "page" | "ticket";

/** An alarm in words. */
export type AlarmWords = {
  name: string;
  severity: Severity;
  /** Which of those of its name: an endpoint, or a cause. Null: there is one only. */
  subject: string | null;
  what: string;
  means: string;
  /** What helps, in a shell. */
  commands: string[];
};

/** An alarm that stands. `holds`: for how long it must before it begins, in milliseconds. */
export type StandingAlarm = AlarmWords & { holds: number; mayBegin: boolean };

/**
 * What is to be said of an alarm. `at`: since when that is so; `began`: of one that ends, when it began. Milliseconds since 1970.
 * The same id is said once.
 */
export type Alert = AlarmWords & { id: string; says: Said; at: number; began?: number };

/**
 * How far one alarm of one subject has come. "holding": it stands, and has not for as long as it must. `since`: when it began to
 * stand, or to flap; `saidAt`: when it was last said. Milliseconds since 1970; null: it does not stand, it was not said.
 */
export type AlarmState = AlarmWords & {
  state: "quiet" | "holding" | "on" | "flapping";
  since: number | null;
  saidAt: number | null;
};

/** Nothing is said of alarms of this name. Times are milliseconds since 1970. */
export type Silence = { name: string; since: number; until: number; reason: string | null };

/** Where alerts go: with "page" those of no ticket. `name`: of the config, which may give none; `place`: a host or a mail address. */
export type Receiver = { id: string; name: string | null; place: string; atLeast: Severity };

/** What one is called: by its name, or else its id. */
export const receiverName = ({ id, name }: Pick<Receiver, "id" | "name">) => name ?? id;

/** What became of a message that stands for no alarm, or of a heartbeat; `receiver`: its id; `error` null: it was taken. */
export type TriedReceiver = { receiver: string; name: string | null; place: string; error: string | null; ms: number };

/** How one stands. Times are milliseconds since 1970; `failingSince` null: the last that was sent arrived. */
export type ReceiverState = Receiver & {
  waiting: number;
  sentAt: number | null;
  failingSince: number | null;
  error: string | null;
};

/** What one is to be sent now, in one message. `failures`: in a row, before this one; `upTo`: where what waits behind it begins. */
export type AlertJob = { receiver: string; claim: string; failures: number; alerts: Alert[]; upTo: string };

/** `at`: when it is tried again, milliseconds since 1970. */
export type AlertOutcome = { is: "sent" } | { is: "cut off" } | { is: "failed"; error: string; at: number };
