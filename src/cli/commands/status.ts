import type { EndpointJson } from "../../actions/endpoints.ts";
import { formatCount, formatSize, formatSpan, relativeTime, shortTime } from "../../actions/format.ts";
import { describeBacklog } from "../../actions/outcome/backlog.ts";
import { describeHeld, type Holding, holdings } from "../../actions/outcome/held.ts";
import { describeRelay } from "../../actions/relay/relays.ts";
import { describeDisk, describeGrowth } from "../../actions/relay/storage.ts";
import { readStatus, type Status } from "../../actions/status.ts";
import { receiverName } from "../../model/alert.ts";
import type { Command } from "../command.ts";
import { findRelay } from "../look/relay-process.ts";
import { commonOptions } from "../options.ts";
import { print, styleOf } from "../output/print.ts";
import { renderFields } from "../output/table.ts";
import { harmless } from "../output/terminal-text.ts";
import { inZone } from "../output/times.ts";
import { hang } from "../output/wrap.ts";
import type { Program } from "../program.ts";
import { openSources } from "../sources.ts";

/** Lines of a small terminal. */
const LINES = 24;

/** What says all that is wrong with a config, and with anything. */
const CHECK = "wochit-relay check";
const DOCTOR = "wochit-relay doctor";

/** What stands before a command. */
const COMMAND = "    ";

/** Endpoints that have a line of their own. */
const MOST_ENDPOINTS = 3;

export const command: Command = {
  name: "status",
  summary: "how the relay is, on one screen: what waits, the room left, what needs you",
  help: `Exit code 0, whatever it says: "doctor" judges. The time left of a disk is told by what database and copies have grown in the
last days; the relay takes a reading each hour.`,
  examples: {
    "wochit-relay status": "shows it on one screen",
    "wochit-relay status --json": "gives the same, and more, to a program",
  },
  options: commonOptions,
  async run(program, args) {
    const { store, config } = await openSources(program, { toRead: true });
    const relay = await findRelay(program, config.dataDir, store);
    const status = await readStatus(store, config, { clock: program.ports.clock, relay });
    print(program, args, status, describe(status, program, store.shared !== null));
  },
};

/** The whole page. On a terminal a line that is wider goes on below, but for commands, which are to be copied. */
function describe(status: Status, program: Program, isShared: boolean): string {
  const { stdout, ports, zone } = program;
  const fields = fieldsOf(status, ports.clock.now(), isShared);
  const indent = Math.max(...fields.map(([name]) => name.length)) + 2;
  const text = renderFields(fields, { ...styleOf(program), columns: Infinity });
  const width = stdout.columns;
  const lines = text
    .trimEnd()
    .split("\n")
    .flatMap((line) => hang(line, { width, indent }));
  const troubles = status.relay.troubles.map((what) => ({
    ...{ severity: "page" as const, what, means: "", silence: null },
    commands: [what.startsWith("the config ") ? CHECK : DOCTOR],
  }));
  const alarms = describeAlarms(
    { alarms: [...troubles, ...status.alarms], held: holdings(status) },
    { room: LINES - lines.length, width, zone },
  );
  return [...lines, ...alarms].map((line) => `${line}\n`).join("");
}

function fieldsOf(status: Status, now: number, isShared: boolean): [string, string][] {
  const { relay, dataDir, events, videos, lastEventAt, deliveries, media, unsecured, uploads, deletions } = status;
  const { endpoints, quarantine, database, copies, disks, retention, backup, relays } = status;
  const where = isShared ? "the database of store.url" : dataDir;
  const ago = (iso: string | null) => (iso === null ? "never" : relativeTime(Date.parse(iso), now));
  const version = relay.version === null ? "" : `, version ${relay.version}`;
  const since = relay.startedAt === null ? "" : ` since ${shortTime(relay.startedAt)} (${ago(relay.startedAt)})`;
  const spooled = uploads === 0 ? "" : `; ${uploads} safe in the spool, to be uploaded`;
  const doomed = deletions === 0 ? "" : `; ${deletions} copies to be deleted`;
  return [
    ["relay", relay.running ? `runs${since}${version}` : `none runs on ${where}`],
    ...relays.map((one): [string, string] => [`  ${one.host}`, describeRelay(one, ago(one.lastSeenAt))]),
    ["events", `${events} of ${videos} videos; the last ${ago(lastEventAt)}`],
    ["deliveries", inWords(deliveries)],
    ...endpointFields(status, endpoints, now),
    ["media", `${inWords(media)}${spooled}${doomed}`],
    ["not secured", describeUnsecured(unsecured, now)],
    ["quarantine", `${quarantine.count} refused, ${formatSize(quarantine.bytes)}`],
    [
      "database",
      isShared
        ? `${formatSize(database.bytes)}, on PostgreSQL`
        : `${formatSize(database.bytes)}, ${formatSize(database.free)} of it free, in ${dataDir}`,
    ],
    [
      "pruned",
      retention.prunedAt === null
        ? "not yet"
        : `${ago(retention.prunedAt)}, ${retention.rows} rows; the oldest body is of ${shortTime(database.oldestBody) ?? "now"}`,
    ],
    ...archiveFields(retention.archive, ago),
    ["copies", formatSize(copies.bytes)],
    ["growth", describeGrowth(status.growth)],
    ...disks.map((disk): [string, string] => [
      disks.length === 1 ? "disk" : disk.holds[0] === "copies" ? "their disk" : "its disk",
      describeDisk(disk),
    ]),
    ...(isShared ? [] : [["backup", describeBackup(backup, ago)] as [string, string]]),
    ...status.receivers.filter(({ failingSince }) => failingSince !== null).map(describeReceiver(ago)),
  ];
}

/** Those for which something is open or dead, or to which nothing is sent. */
function endpointFields({ backlog }: Status, endpoints: EndpointJson[], now: number): [string, string][] {
  const shown = endpoints.filter(
    ({ state, waiting, pending, running, dead }) => state !== "active" || waiting + pending + running + dead > 0,
  );
  const rows = shown.slice(0, MOST_ENDPOINTS).map((endpoint): [string, string] => {
    const { id, dead, oldest } = endpoint;
    const behind = backlog.find(({ endpoint }) => endpoint === id);
    const words = [
      heldBy(endpoint),
      dead > 0 ? `${dead} dead` : null,
      oldest === null ? null : `the oldest came ${relativeTime(Date.parse(oldest), now)}`,
      behind === undefined ? null : describeBacklog(behind, now),
    ];
    return [`  ${id}`, words.filter((word) => word !== null).join("; ")];
  });
  const more = shown.length - rows.length;
  return more === 0 ? rows : [...rows, ["  …", `${more} more: wochit-relay endpoints list`]];
}

/** `failing since 08:10: HTTP 500, the next probe at 08:25`, or the pause with its reason; null: it is sent to. */
function heldBy({ state, reason, failingSince, nextProbeAt }: EndpointJson): string | null {
  if (state === "active") return null;
  const why = reason === null ? "" : `: ${harmless(reason)}`;
  if (state !== "failing") return `${state}${why}`;
  return `failing since ${shortTime(failingSince)}${why}, the next probe at ${shortTime(nextProbeAt)}`;
}

function inWords(counts: object): string {
  const some = Object.entries(counts).filter(([, count]) => count > 0);
  return some.map(([name, count]) => `${count} ${name}`).join(", ") || "none";
}

function describeUnsecured({ count, nearestDeadline, mediumId }: Status["unsecured"], now: number): string {
  if (count === 0) return "none";
  if (nearestDeadline === null) return String(count);
  return `${count}; the nearest deadline is ${relativeTime(Date.parse(nearestDeadline), now)} (${mediumId})`;
}

function describeBackup({ every, last, failure }: Status["backup"], ago: (iso: string | null) => string): string {
  const planned = every === null ? "none is planned" : `planned every ${formatSpan(every)}`;
  const failed = failure === null ? "" : `; the last try failed: ${failure}`;
  return `${last === null ? "none was checked yet" : `the last that was checked is of ${ago(last.at)}`}; ${planned}${failed}`;
}

function archiveFields(
  archive: Status["retention"]["archive"],
  ago: (iso: string | null) => string,
): [string, string][] {
  if (archive === null) return [];
  const { files, events, bytes, lastAt, failing, toRewrite } = archive;
  const words = [
    `${events} events in ${formatCount(files, "file")}, ${formatSize(bytes)}; the last ${ago(lastAt)}`,
    ...(failing === null ? [] : [`failing (the first time: ${ago(failing.since)}): ${harmless(failing.error)}`]),
    ...(toRewrite === 0 ? [] : [`${formatCount(toRewrite, "file")} to be written anew, without what was erased`]),
  ];
  return [["archive", words.join("; ")]];
}

/** One that takes no alerts. */
const describeReceiver =
  (ago: (iso: string | null) => string) =>
  ({ place, waiting, failingSince, error, ...who }: Status["receivers"][number]): [string, string] => {
    const kept = `${waiting} ${waiting === 1 ? "alert waits" : "alerts wait"} for it`;
    const since = `the first try that failed: ${ago(failingSince)}`;
    return ["alerts", `${receiverName(who)} (${place}) is down (${since}): ${error}; ${kept}`];
  };

/** What needs a person, each with its first command, in at most `room` lines, but at least one of them. */
function describeAlarms(
  {
    alarms,
    held,
  }: {
    alarms: Pick<Status["alarms"][number], "severity" | "what" | "means" | "commands" | "silence">[];
    held: Holding[];
  },
  { room, width, zone }: { room: number; width: number; zone: Program["zone"] },
): string[] {
  const first = ["holding", "failing", "paused"].flatMap((is) => held.filter((one) => one.is === is))[0];
  if (alarms.length === 0 && first !== undefined) {
    const words = harmless(`nothing needs you yet, but ${describeHoldings(held)}:`);
    const command = first.is === "holding" ? `events show ${first.held.eventId}` : `endpoints show ${first.id}`;
    return ["", ...hang(words, { width, indent: 2 }), `${COMMAND}wochit-relay ${command}`];
  }
  if (alarms.length === 0) return ["", "all is well: nothing needs you"];
  const all = alarms.map(({ severity, what, means, commands, silence }) => [
    ...hang(harmless(inZone(`${severity === "page" ? "!" : "-"} ${what}${silencedUntil(silence)}`, zone)), {
      ...{ width, indent: 2 },
    }),
    ...conditionOf(means).flatMap((line) => hang(harmless(COMMAND + line), { width, indent: COMMAND.length })),
    harmless(COMMAND + commands[0]),
  ]);
  const linesOf = (some: string[][]) => 2 + some.flat().length + (some.length < all.length ? 1 : 0);
  const shown = [...all];
  while (shown.length > 1 && linesOf(shown) > room) shown.pop();
  const more = alarms.length - shown.length;
  return [
    "",
    alarms.length === 1 ? "1 thing needs you:" : `${alarms.length} things need you, the worst first:`,
    ...shown.flat(),
    ...(more === 0 ? [] : [`${more} more: wochit-relay doctor, wochit-relay status --json`]),
  ];
}

/** What must be done before the commands, where they alone do nothing: the end of `means`. */
const conditionOf = (means: string): string[] => (means.endsWith(":") ? means.split(/(?<=[.?]) /).slice(-1) : []);

/** `cms, search are failing; for archive 1 video is held behind a refused event: evt_… (HTTP 422)` */
function describeHoldings(all: Holding[]): string {
  const of = (is: "paused" | "failing") => {
    const ids = all.filter((one) => one.is === is).map(({ id }) => id);
    return ids.length === 0 ? [] : [`${ids.join(", ")} ${ids.length === 1 ? "is" : "are"} ${is}`];
  };
  const held = all.flatMap((one) => (one.is === "holding" ? [`for ${one.id} ${describeHeld(one.held)}`] : []));
  return [...held, ...of("failing"), ...of("paused")].join("; ");
}

const silencedUntil = (silence: Status["alarms"][number]["silence"]): string =>
  silence === null ? "" : ` (silenced until ${shortTime(silence.until)})`;
