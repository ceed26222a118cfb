import type { AlarmName, Facts } from "../../src/actions/alarms/judge.ts";

// One list of cases for the table of alarms and for the alerts of Prometheus: what is seen, minute by minute from 1970 on, and
// in which minute the alarm has not begun yet, and in which it has.

const MINUTE = 60_000;
const HOUR = 60;

/** What is seen in a minute; what is left out is well. Ages are in seconds, totals since the first minute. */
type Seen = {
  up?: boolean;
  usable?: boolean;
  /** Until the first link dies that is not secured. */
  nearest?: number;
  expired?: number;
  breaker?: 0 | 1 | 2;
  paused?: boolean;
  dead?: number;
  oldest?: number;
  lastEventAge?: number;
  refused?: number;
  unknownSenders?: number;
  free?: number;
  target?: boolean;
  backupAge?: number;
  /** For how long nothing could be archived. */
  archiveFails?: number;
};

export type AlarmCase = {
  alarm: AlarmName;
  says: string;
  seen(minute: number): Seen;
  silent: number[];
  begun: number[];
};

const NEEDED = 1_000;
const DOWNLOADS = 500;

export const ALARM_CASES: AlarmCase[] = [
  {
    ...{ alarm: "RelayDown", says: "away for two minutes, not for one", silent: [2, 6], begun: [10] },
    seen: (minute) => ({ up: minute < 2 || (minute > 3 && minute < 7) }),
  },
  {
    ...{ alarm: "RelayCannotCommit", says: "at once", silent: [2, 5], begun: [3, 4] },
    seen: (minute) => ({ usable: minute < 3 || minute > 4 }),
  },
  {
    ...{ alarm: "MediaLinkDiesSoon", says: "less than six hours, for ten minutes", silent: [0, 10], begun: [11, 30] },
    seen: (minute) => ({ nearest: 6 * 3_600 - 60 * minute }),
  },
  {
    ...{ alarm: "MediaLinkDiesSoon", says: "nothing waits", silent: [5, 30], begun: [] },
    seen: () => ({}),
  },
  {
    ...{ alarm: "MediaLost", says: "the first that is lost", silent: [9], begun: [11, 60] },
    seen: (minute) => ({ expired: minute < 10 ? 0 : 1 }),
  },
  {
    ...{
      alarm: "BreakerOpen",
      says: "15 minutes without an answer, probes included",
      silent: [5, 15],
      begun: [17, 30],
    },
    seen: (minute) => ({ breaker: minute === 0 ? 0 : minute % 3 === 0 ? 1 : 2 }),
  },
  {
    ...{ alarm: "BreakerOpen", says: "it answered between", silent: [15, 24], begun: [26] },
    seen: (minute) => ({ breaker: minute === 10 ? 0 : 2 }),
  },
  {
    ...{ alarm: "BreakerOpen", says: "paused", silent: [30], begun: [] },
    seen: () => ({ breaker: 2, paused: true }),
  },
  {
    ...{ alarm: "SenderUnknown", says: "one event", silent: [4], begun: [6, 30] },
    seen: (minute) => ({ unknownSenders: minute < 5 ? 0 : 1 }),
  },
  {
    ...{ alarm: "DeliveriesDead", says: "one delivery", silent: [1], begun: [3, 30] },
    seen: (minute) => ({ dead: minute < 2 ? 0 : 1 }),
  },
  {
    ...{ alarm: "DeliveriesLate", says: "over an hour old, for ten minutes", silent: [10, 11], begun: [12, 30] },
    seen: (minute) => ({ oldest: 3_540 + 60 * minute }),
  },
  {
    ...{ alarm: "DeliveriesLate", says: "late, and paused", silent: [30], begun: [] },
    seen: () => ({ oldest: 9_000, paused: true }),
  },
  {
    ...{ alarm: "NoEvents", says: "six hours, by day", silent: [6 * HOUR, 7 * HOUR - 1], begun: [7 * HOUR, 9 * HOUR] },
    seen: (minute) => ({ lastEventAge: 60 * minute }),
  },
  {
    ...{ alarm: "SendersRefused", says: "more than ten", silent: [8], begun: [20] },
    seen: (minute) => ({ refused: minute }),
  },
  {
    ...{ alarm: "DownloadsStopped", says: "too little is free, for 15 minutes", silent: [14], begun: [16] },
    seen: () => ({ free: DOWNLOADS - 1 }),
  },
  {
    ...{ alarm: "DownloadsStopped", says: "just enough is free for downloads", silent: [16], begun: [] },
    seen: () => ({ free: DOWNLOADS }),
  },
  {
    ...{ alarm: "DiskOrBackup", says: "downloads are stopped, which is a page", silent: [16], begun: [] },
    seen: () => ({ free: DOWNLOADS - 1 }),
  },
  {
    ...{ alarm: "DiskOrBackup", says: "the target takes no copies, for 15 minutes", silent: [15], begun: [17] },
    seen: (minute) => ({ target: minute < 1 }),
  },
  {
    ...{
      alarm: "DiskOrBackup",
      says: "twice of what is needed is not free, for 15 minutes",
      silent: [14],
      begun: [16],
    },
    seen: () => ({ free: 2 * NEEDED - 1 }),
  },
  {
    ...{ alarm: "DiskOrBackup", says: "just enough is free", silent: [16], begun: [] },
    seen: () => ({ free: 2 * NEEDED }),
  },
  {
    ...{ alarm: "DiskOrBackup", says: "the backup is two days old", silent: [15], begun: [17] },
    seen: (minute) => ({ backupAge: 2 * 86_400 + 60 * minute }),
  },
  {
    ...{ alarm: "DiskOrBackup", says: "nothing could be archived for six hours", silent: [20], begun: [22] },
    seen: (minute) => ({ archiveFails: 6 * 3_600 + 60 * (minute - 5) }),
  },
];

export const lastMinute = ({ silent, begun }: AlarmCase): number => Math.max(...silent, ...begun);

/** As the table of alarms gets to know it. */
export function factsOf({ seen }: AlarmCase, minute: number): Facts {
  const now = minute * MINUTE;
  const ago = (seconds: number | undefined) => (seconds === undefined ? null : now - seconds * 1_000);
  const iso = (at: number | null) => (at === null ? null : new Date(at).toISOString());
  const it = seen(minute);
  let failing = minute;
  while (failing >= 0 && (seen(failing).breaker ?? 0) > 0) failing--;
  const state = it.paused ? "paused" : (it.breaker ?? 0) > 0 ? "failing" : "active";
  const { expired = 0, refused = 0, unknownSenders = 0, free, backupAge, archiveFails } = it;
  return {
    now,
    isRunning: it.up ?? true,
    storeTrouble: (it.usable ?? true) ? null : "the disk is full",
    targetTrouble: (it.target ?? true) ? null : "it answers 403",
    endpoints: [
      {
        ...{ id: "cms", url: null, state, reason: null, pausedAt: null, waiting: 0, pending: 1, running: 0 },
        ...{ dead: it.dead ?? 0, oldest: iso(ago(it.oldest)) },
        failingSince: state === "failing" ? iso((failing + 1) * MINUTE) : null,
      },
    ],
    nextMedium:
      it.nearest === undefined
        ? null
        : { id: "med_1", kind: "video", videoId: "v1", deadline: now + it.nearest * 1_000, lastError: null },
    expired: { count: expired, isCut: false },
    failed: { count: 0, isCut: false, lastError: null },
    refused: refused === 0 ? [] : [{ reason: "source", count: refused, isCut: false, lastFrom: "203.0.113.7" }],
    unknownSenders: unknownSenders === 0 ? [] : [{ address: "203.0.113.7", count: unknownSenders, isPrivate: false }],
    lastEventAt: ago(it.lastEventAge),
    disk: free === undefined ? null : { free, needed: NEEDED, downloads: DOWNLOADS },
    backup: { every: 86_400_000, lastAt: backupAge === undefined ? now : ago(backupAge), failure: null, bornAt: null },
    archive: archiveFails === undefined ? null : { since: ago(archiveFails)!, error: "no room" },
  };
}

/** As Prometheus gets to know it: the series, a value each minute. */
export function seriesOf(one: AlarmCase): { series: string; values: string }[] {
  const minutes = Array.from({ length: lastMinute(one) + 1 }, (_, minute) => minute);
  const series = (name: string, value: (seen: Seen, minute: number) => number | undefined, labels = "") => ({
    series: `${name}{${labels ? `${labels},` : ""}job="wochit-relay",instance="a"}`,
    values: minutes.map((minute) => value(one.seen(minute), minute) ?? "_").join(" "),
  });
  const relay = (name: string, ...rest: [(seen: Seen, minute: number) => number | undefined, string?]) =>
    series(`wochit_relay_${name}`, ...rest);
  const cms = 'endpoint="cms"';
  return [
    series("up", ({ up = true }) => Number(up)),
    relay("store_usable", ({ usable = true }) => Number(usable)),
    relay("media_nearest_deadline_seconds", ({ nearest }) => nearest),
    relay("media_settled_total", ({ expired = 0 }) => expired, 'kind="video",state="expired"'),
    relay("endpoint_breaker", ({ breaker = 0 }) => breaker, cms),
    relay("endpoint_paused", ({ paused = false }) => Number(paused), cms),
    relay("deliveries_settled_total", ({ dead = 0 }) => dead, `${cms},state="dead"`),
    relay("deliveries_oldest_seconds", ({ oldest = 0 }) => oldest, cms),
    relay("last_event_timestamp_seconds", ({ lastEventAge }, minute) =>
      lastEventAge === undefined ? undefined : 60 * minute - lastEventAge,
    ),
    relay("refused_total", ({ refused = 0 }) => refused, 'reason="source"'),
    relay("unknown_sender_events_total", ({ unknownSenders = 0 }) => unknownSenders),
    relay("disk_free_bytes", ({ free = 9 * NEEDED }) => free),
    relay("disk_needed_bytes", () => NEEDED),
    relay("disk_downloads_bytes", () => DOWNLOADS),
    relay("target_usable", ({ target = true }) => Number(target)),
    relay("backup_verified_timestamp_seconds", ({ backupAge = 0 }, minute) => 60 * minute - backupAge),
    relay("archive_failing_timestamp_seconds", ({ archiveFails }, minute) =>
      archiveFails === undefined ? undefined : 60 * minute - archiveFails,
    ),
  ];
}
