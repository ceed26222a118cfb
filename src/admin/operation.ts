import type * as v from "valibot";
import type { FeedWaits } from "../actions/feed/waits.ts";
import type { Sources } from "../actions/list.ts";
import type { AcceptBytes } from "../actions/quarantine.ts";
import type { RelayProcess } from "../actions/status.ts";
import type { AlertsConfig, Endpoint } from "../config/schema.ts";
import type { ErrorCode } from "../errors.ts";
import type { TriedReceiver } from "../model/alert.ts";
import type { Deed } from "../model/audit.ts";
import type { Attempt } from "../model/delivery.ts";
import type { Medium } from "../model/medium.ts";
import type { Ports } from "../ports.ts";
import type { Caller } from "./auth.ts";

// An operation is declared once: the routes, the checks of what is asked, and the OpenAPI document are made from it.

// biome-ignore lint/suspicious/noExplicitAny: a schema of any values
export type Schema<Output = any> = v.GenericSchema<any, Output>;

/** What `doctor` found; times are milliseconds since 1970. `error`: why it found nothing. */
export type DoctorReport = {
  state: "never" | "running" | "done";
  startedAt: number | null;
  endedAt: number | null;
  lines: { probe: string; state: "ok" | "warning" | "failed"; detail: string; advice: string | null }[];
  error: string | null;
};

export type Doctor = {
  /** Of the last that was begun. */
  report(): DoctorReport;
  /** False: one is running. */
  begin(): boolean;
};

/** What is known of the process, also while its store cannot be used. */
export type ProcessFacts = {
  version: string;
  /** Milliseconds since 1970. */
  startedAt: number;
  /** What is wrong, in a few words each. */
  troubles(): string[];
  /** Why the target takes no copies; null: it does. */
  targetTrouble(): string | null;
  doctor: Doctor;
};

/** What the operations work with. */
export type Place = StorePlace & ProcessFacts;

/** Beside what every action reads: what works on the store. */
export type StorePlace = Sources & {
  ports: Ports;
  /** Sends an endpoint a message that stands for no event. */
  tryEndpoint(endpoint: Endpoint): Promise<Attempt>;
  /** Sends these receivers a message that stands for no alarm, and a heartbeat. */
  tryReceivers(alerts: AlertsConfig): Promise<TriedReceiver[]>;
  /** Takes a refused body in. */
  acceptKept: AcceptBytes;
  /** The copies, as they can be read now. */
  copies(): Copies;
  /** Why copies cannot be kept in the target; null: they can. */
  targetTrouble(): string | null;
  /** Where readers of the feed wait. */
  feedWaits: FeedWaits;
  /** Signs with the secret of links that the store has now. */
  refreshLinks(): Promise<void>;
  /** Something was changed that the workers may have to do with. */
  wake(): void;
};

/** The running process, as `status` and the alarms take it. */
export function processOf({ store, version, startedAt, troubles, targetTrouble }: Place): RelayProcess {
  const wrong = { storeTrouble: store.trouble(), targetTrouble: targetTrouble(), troubles: troubles() };
  return { isRunning: true, version, startedAt, ...wrong };
}

/** A medium of which there is a copy. */
export type CopyOf = Medium & { target: string; key: string };

export type Copies = {
  /** Answers a GET or HEAD: the bytes, whole or one range, or a redirect to where they are. `outgoing`: is cut where they break off. */
  serve(
    copy: CopyOf,
    request: { method: string; header(name: string): string | undefined; outgoing: { destroy(): unknown } | undefined },
  ): Promise<Response>;
  /** The origins of other servers that copies are read from. */
  origins(): Promise<string[]>;
};

/** A request that has passed all checks. */
export type Asked<Query, Body> = {
  /** The parts of the path that are names, decoded once. */
  path: Record<string, string>;
  query: Query;
  /** Of a request without a body: what its schema makes of {}. */
  body: Body;
  caller: Caller;
  /** Enters in the audit what no verb of the store does. */
  note(deed: Deed): Promise<void>;
  /** Aborted when the client has gone. */
  signal: AbortSignal;
};

/** An answer of bytes as they are. */
export type Bytes = { bytes: string };

/** Where the operations are. */
export const API = "/api/v1";

/** The path of an operation as routes have it: "{id}" is ":id". */
export const routeOf = ({ path }: Pick<Operation, "path">): string => API + path.replace(/\{(\w+)\}/g, ":$1");

/** What the operations are about, with a few words for the document. */
export const TAGS = {
  events: "What came in from the provider",
  deliveries: "What goes to your apps",
  endpoints: "The apps of the config",
  videos: "The videos, and which context each belongs to",
  media: "The videos' files and their copies",
  quarantine: "What was refused, and can be taken in after all",
  tasks: "What is done to many at once",
  alerts: "What needs a person, and where that is sent",
  relay: "The relay itself",
} as const;

export type Tag = keyof typeof TAGS;

export type Operation = {
  method: "GET" | "POST";
  /** Below /api/v1, with names in braces: "/events/{id}". */
  path: string;
  /** As a client's method is called: "listEvents". */
  id: string;
  tag: Tag;
  /** A few words; `more`: sentences. */
  summary: string;
  more?: string;
  query?: Schema;
  body?: Schema;
  /** What 200 holds, and what 202 does: there is one, or the other, or both. */
  answer?: Schema | Bytes;
  accepted?: Schema;
  /** Beside those that any request may get. */
  errors: ErrorCode[];
  // biome-ignore lint/suspicious/noExplicitAny: `operation` checks it against the schemas
  run(asked: Asked<any, any>, place: Place): Promise<unknown>;
};

type OutputOf<S> = S extends Schema<infer Output> ? Output : Record<string, never>;
type ValueOf<S> = S extends Schema<infer Output> ? Output : never;

/** Checks a declaration against its schemas. `run` resolves with the value of a 200, or with a response. */
export function operation<
  Query extends Schema | undefined = undefined,
  Body extends Schema | undefined = undefined,
  Answer extends Schema | Bytes = Schema,
>(
  declared: Omit<Operation, "run" | "query" | "body" | "answer"> & {
    query?: Query;
    body?: Body;
    answer?: Answer;
    run(asked: Asked<OutputOf<Query>, OutputOf<Body>>, place: Place): Promise<ValueOf<Answer> | Response>;
  },
): Operation {
  return declared as unknown as Operation;
}

/** A task was made: it is worked later. */
export const accepted = (value: unknown): Response => Response.json(value, { status: 202 });
