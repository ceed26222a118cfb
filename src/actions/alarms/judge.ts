import type { AlarmWords, Severity } from "../../model/alert.ts";
import type { EndpointJson } from "../endpoints.ts";
import { formatCount, relativeTime } from "../format.ts";
import { judgeDiskAndBackup, judgeDownloads } from "./disk-and-backup.ts";
import { judgeLost } from "./lost-media.ts";
import type { Facts, Rule, Standing } from "./shape.ts";

export type { Facts } from "./shape.ts";

// What needs a person, as pure judgements: `status`, `doctor` and the dashboard say the same. `scripts/alerts.yaml` has the
// names and limits for Prometheus, and the time for which each must hold.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A link that dies sooner than this, unsaved, is an alarm; milliseconds. */
export const LINK_DIES_SOON = 6 * HOUR;

/** A delivery is late, an app is long silent, no event came for too long; milliseconds. */
const LATE = HOUR;
const SILENT = 15 * MINUTE;
const NO_EVENTS = 6 * HOUR;

/** More refused requests within a day are no strays. */
const MANY_REFUSED = 10;

/** How many addresses are named. */
const NAMED = 3;

/** One thing that needs a person: what it is in one line, what it means, the commands that help, and the page that shows it. */
export type Alarm = AlarmWords & Pick<Standing, "page"> & { name: AlarmName };

/** Everything that needs a person by these facts, what is worst first. */
export function judgeAlarms(facts: Facts): Alarm[] {
  return ALARMS.flatMap((name) => {
    const { severity, judge } = RULES[name] as Rule;
    return judge(facts).map(({ subject = null, ...rest }) => ({ name, severity, subject, ...rest }));
  });
}

export const severityOf = (name: AlarmName): Severity => RULES[name].severity;

/** For how long one must stand before it begins (milliseconds), and whether it may begin at this time. */
export function onsetOf(name: AlarmName, now: number): { holds: number; mayBegin: boolean } {
  const { holds, isHeld = false, beginsBetween: [from, below] = [0, 24] } = RULES[name] as Rule;
  const hour = new Date(now).getUTCHours();
  return { holds: isHeld ? 0 : holds, mayBegin: hour >= from && hour < below };
}

export type AlarmName = keyof typeof RULES;

/** Keeps the names as types. */
const table = <Name extends string>(rules: Record<Name, Rule>) => rules;

const RULES = table({
  RelayDown: {
    severity: "page",
    holds: 2 * MINUTE,
    judge: ({ isRunning }) =>
      isRunning
        ? []
        : [
            {
              what: "No relay runs on this database",
              means: "Wochit sends each event once: what it sends now is lost.",
              commands: ["systemctl start wochit-relay"],
              page: "/settings",
            },
          ],
  },
  RelayCannotCommit: {
    severity: "page",
    holds: 0,
    judge: ({ storeTrouble }) =>
      storeTrouble === null
        ? []
        : [
            {
              what: "Events cannot be committed",
              means: `Wochit gets 503: ${storeTrouble}.`,
              commands: ["wochit-relay doctor"],
              page: "/settings",
            },
          ],
  },
  MediaLinkDiesSoon: {
    severity: "page",
    holds: 10 * MINUTE,
    judge({ nextMedium: next, now }) {
      if (next === null || next.deadline - now >= LINK_DIES_SOON) return [];
      const when = relativeTime(next.deadline, now);
      const why = next.lastError === null ? "It was not tried yet." : `The last try: ${next.lastError}.`;
      return [
        {
          what: `The link of ${next.kind} ${next.id} ${next.deadline > now ? `dies ${when}` : `died ${when}`}, and it is not saved`,
          means: `${why} It belongs to ${next.videoId}; a link that Wochit announces anew saves it.`,
          commands: ["wochit-relay media list --by deadline", `wochit-relay media retry ${next.id}`],
          page: `/media/${next.id}`,
        },
      ];
    },
  },
  MediaLost: {
    severity: "page",
    holds: 0,
    judge: judgeLost,
  },
  BreakerOpen: {
    severity: "page",
    holds: SILENT,
    isHeld: true,
    judge: ({ endpoints, now }) =>
      endpoints
        .filter(({ state, failingSince }) => state === "failing" && now - time(failingSince) >= SILENT)
        .map(({ id, failingSince, reason, ...open }) => ({
          subject: id,
          what: `${id} is failing since ${relativeTime(time(failingSince), now)}`.replace(/ ago$/, ""),
          means: `${reason ?? "It does not answer"}. ${waits(open)}; the relay probes it, and goes on by itself.`,
          commands: [`wochit-relay endpoints show ${id}`, `wochit-relay endpoints resume ${id}`],
          page: `/endpoints/${id}`,
        })),
  },
  SenderUnknown: {
    severity: "page",
    holds: 0,
    judge({ unknownSenders: [first, ...more] }) {
      if (first === undefined) return [];
      const named = [first, ...more].slice(0, NAMED).map(({ address, count }) => `${count} from ${address}`);
      const rest = more.length < NAMED ? "" : `, and of ${formatCount(more.length + 1 - NAMED, "address")} more`;
      const list = first.isPrivate
        ? "server.trustedProxies (a proxy of yours) or receive.allowFrom (Wochit)"
        : "receive.allowFrom";
      const who = first.isPrivate ? "A proxy of yours that is not named?" : "Wochit may have changed its address.";
      return [
        {
          what: `Events were refused within a day for their address: ${named.join(", ")}${rest}`,
          means: `${who} Your apps lack them, and their links die. If it is right, add it to ${list}, then:`,
          commands: ["wochit-relay reload", `wochit-relay quarantine reprocess --from ${first.address} --since 1d`],
          page: "/quarantine?reason=source",
        },
      ];
    },
  },
  DownloadsStopped: {
    severity: "page",
    holds: 15 * MINUTE,
    judge: judgeDownloads,
  },
  DeliveriesDead: {
    severity: "ticket",
    holds: 0,
    judge: ({ endpoints }) =>
      endpoints
        .filter(({ dead }) => dead > 0)
        .map(({ id, dead }) => {
          const filter = `--endpoint ${id} --state dead`;
          return {
            subject: id,
            what: `${formatCount(dead, "delivery")} to ${id} ${dead === 1 ? "is" : "are"} dead`,
            means: "Their last attempt failed. Nothing sends them again until you do.",
            commands: [`wochit-relay deliveries list ${filter}`, `wochit-relay deliveries retry ${filter}`],
            page: `/deliveries?endpoint=${id}&state=dead`,
          };
        }),
  },
  DeliveriesLate: {
    severity: "ticket",
    holds: 10 * MINUTE,
    judge: ({ endpoints, now }) =>
      endpoints
        .filter(({ state, oldest }) => state === "active" && oldest !== null && now - time(oldest) > LATE)
        .map(({ id, oldest, ...open }) => ({
          subject: id,
          what: `${id} is behind: its oldest event came ${relativeTime(time(oldest), now)}`,
          means: `${waits(open)}.`,
          commands: [`wochit-relay endpoints show ${id}`, `wochit-relay deliveries list --endpoint ${id}`],
          page: `/endpoints/${id}`,
        })),
  },
  NoEvents: {
    severity: "ticket",
    holds: 0,
    beginsBetween: [7, 22],
    judge: ({ lastEventAt, now }) =>
      lastEventAt === null || now - lastEventAt <= NO_EVENTS
        ? []
        : [
            {
              what: `The last event came ${relativeTime(lastEventAt, now)}`,
              means: "Is the address of this relay still set at Wochit?",
              commands: ["wochit-relay quarantine list", "wochit-relay doctor"],
              page: "/quarantine",
            },
          ],
  },
  SendersRefused: {
    severity: "ticket",
    holds: 0,
    judge: ({ refused }) =>
      refused
        .filter(({ count }) => count > MANY_REFUSED)
        .map(({ reason, count, isCut, lastFrom }) => ({
          subject: reason,
          what: `${count}${isCut ? " or more" : ""} requests were refused within a day for their ${reason}, the last of ${lastFrom}`,
          means: "A new proxy of yours, or a new address of Wochit? The bodies are kept, and can be taken in.",
          commands: [
            "wochit-relay doctor",
            `wochit-relay quarantine list --reason ${reason}`,
            `wochit-relay quarantine reprocess --reason ${reason}`,
          ],
          page: `/quarantine?reason=${reason}`,
        })),
  },
  DiskOrBackup: {
    severity: "ticket",
    holds: 15 * MINUTE,
    judge: judgeDiskAndBackup,
  },
});

/** The names of all, in the order in which they are judged: what is worst first. */
export const ALARMS = Object.keys(RULES) as AlarmName[];

function waits({ waiting, pending, running }: Pick<EndpointJson, "waiting" | "pending" | "running">): string {
  const open = waiting + pending + running;
  return open === 0
    ? "Nothing waits for it"
    : `${formatCount(open, "delivery")} ${open === 1 ? "waits" : "wait"} for it, and none is lost`;
}

const time = (iso: string | null): number => (iso === null ? Number.POSITIVE_INFINITY : Date.parse(iso));
