import { COMMIT_BOUNDS } from "../store/counts.ts";

/** Every metric name of the relay begins so. */
export const PREFIX = "wochit_relay_";

export type Definition = {
  type: "counter" | "gauge" | "histogram";
  help: string;
  labels?: readonly string[];
  /** Of a histogram: the upper bounds. */
  bounds?: readonly number[];
};

const OF_STORE = "Of the store: with several relays on one store the same of each.";

/** All metrics of the relay, by their names without the prefix. Beside them are those of the process. */
export const METRICS = {
  received_total: {
    type: "counter",
    labels: ["type", "outcome"],
    help: "Requests of allowed senders, by event type (other: unknown, or not read) and outcome: accepted, duplicate, quarantined, unavailable (503).",
  },
  refused_total: {
    type: "counter",
    labels: ["reason"],
    help: "Requests that were refused; stray: of no allowed sender.",
  },
  unknown_sender_events_total: {
    type: "counter",
    help: "Events that were refused since the address that sent them is not allowed.",
  },
  would_refuse_total: {
    type: "counter",
    labels: ["reason"],
    help: 'Requests that were taken because receive.mode is "observe", and else would be refused.',
  },
  commit_seconds: { type: "histogram", bounds: COMMIT_BOUNDS.seconds, help: "Duration of commits, the sync included." },
  commit_batch: { type: "histogram", bounds: COMMIT_BOUNDS.writes, help: "Writes that shared a commit." },
  last_event_timestamp_seconds: {
    type: "gauge",
    help: `When the newest event was received; absent before the first. ${OF_STORE}`,
  },
  jobs: { type: "gauge", labels: ["kind", "state"], help: `Work that has not ended. ${OF_STORE}` },
  jobs_oldest_seconds: { type: "gauge", labels: ["kind"], help: `Age of the oldest of them; 0: none. ${OF_STORE}` },
  deliveries: {
    type: "gauge",
    labels: ["endpoint", "state"],
    help: `Deliveries that have not ended, and dead ones; endpoint removed: no longer in the config. ${OF_STORE}`,
  },
  deliveries_oldest_seconds: {
    type: "gauge",
    labels: ["endpoint"],
    help: `Age of the oldest event whose delivery has not ended; 0: none. ${OF_STORE}`,
  },
  deliveries_settled_total: {
    type: "counter",
    labels: ["endpoint", "state"],
    help: "Deliveries that ended with an attempt, by how they ended.",
  },
  attempts_total: {
    type: "counter",
    labels: ["endpoint", "outcome"],
    help: "Attempts by the class of their answer, or why there was none; probe: a failed probe of a failing endpoint; unsent: there was nothing to send.",
  },
  attempt_seconds: {
    type: "histogram",
    labels: ["endpoint"],
    bounds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60],
    help: "Duration of attempts.",
  },
  endpoint_breaker: {
    type: "gauge",
    labels: ["endpoint"],
    help: `0: deliveries are sent; 1: it fails, and a probe is due or under way; 2: it fails, and the next probe waits. ${OF_STORE}`,
  },
  endpoint_paused: { type: "gauge", labels: ["endpoint"], help: `1: paused. ${OF_STORE}` },
  media: { type: "gauge", labels: ["kind", "state"], help: `Media by state. ${OF_STORE}` },
  media_settled_total: {
    type: "counter",
    labels: ["kind", "state"],
    help: "Media whose work has ended, by how: mirrored, failed, expired.",
  },
  media_bytes_total: { type: "counter", labels: ["direction"], help: "Bytes of media, downloaded and uploaded." },
  media_nearest_deadline_seconds: {
    type: "gauge",
    help: `Until the first link dies whose medium is not secured; absent when nothing waits. ${OF_STORE}`,
  },
  relays: {
    type: "gauge",
    labels: ["state"],
    help: `Relays on the store that were seen within a day: live, or silent for two minutes. Absent with SQLite. ${OF_STORE}`,
  },
  relay_configs: {
    type: "gauge",
    help: `Different configs that live relays have; more than 1 while a new one is taken only. Absent with SQLite. ${OF_STORE}`,
  },
  store_usable: { type: "gauge", help: "1: events can be committed." },
  target_usable: { type: "gauge", help: "1: the mirror target takes copies." },
  spool_bytes: { type: "gauge", help: "Size of the files in the spool." },
  disk_free_bytes: { type: "gauge", help: "Free space on the disk of dataDir." },
  disk_needed_bytes: {
    type: "gauge",
    help: "What should stay free: mirror.minFreeDisk, or half of the database where that is more.",
  },
  disk_downloads_bytes: {
    type: "gauge",
    help: "With less than this free no download is begun: mirror.minFreeDisk; 0: mirroring is off.",
  },
  database_bytes: { type: "gauge", labels: ["file"], help: "Size of the database and of its log of commits." },
  backup_verified_timestamp_seconds: {
    type: "gauge",
    help: 'When the newest backup was made that was checked; 0: none was; absent without "backup" in the config.',
  },
  archive_failing_timestamp_seconds: {
    type: "gauge",
    help: "Since when what has expired cannot be archived, and is not pruned; absent where it can be.",
  },
  build_info: { type: "gauge", labels: ["version", "runtime"], help: "1." },
} as const satisfies Record<string, Definition>;

export type MetricName = keyof typeof METRICS;
