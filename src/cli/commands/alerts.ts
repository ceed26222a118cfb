import { type AlarmsJson, listAlarms } from "../../actions/alarms/list.ts";
import { chosenReceivers, triedDeed } from "../../actions/alarms/receivers.ts";
import { endSilence, LONGEST_SILENCE, silenceAlarm } from "../../actions/alarms/silence.ts";
import { shortTime } from "../../actions/format.ts";
import type { Column } from "../../actions/list.ts";
import { parseDuration } from "../../config/units.ts";
import { RelayError } from "../../errors.ts";
import { receiverName } from "../../model/alert.ts";
import type { Command, CommandGroup } from "../command.ts";
import { findRelay } from "../look/relay-process.ts";
import { commonOptions } from "../options.ts";
import { hint, print, section, styleOf } from "../output/print.ts";
import { renderTable } from "../output/table.ts";
import { harmless } from "../output/terminal-text.ts";
import { inZone } from "../output/times.ts";
import { noteDeed, openSources } from "../sources.ts";

const alarmColumns: Column<AlarmsJson["alarms"][number]>[] = [
  { title: "ALARM", value: ({ name }) => name, whole: true },
  { title: "SEVERITY", value: ({ severity }) => severity, whole: true, spare: 2 },
  { title: "STATE", value: ({ state }) => state, whole: true },
  { title: "SINCE", value: ({ since }) => shortTime(since), whole: true, spare: 1 },
  { title: "TOLD", value: ({ toldAt }) => shortTime(toldAt), whole: true, spare: 3 },
  { title: "WHAT", value: ({ what }) => what, below: true },
  {
    title: "SILENCED",
    value: ({ silence }) =>
      silence && `until ${shortTime(silence.until)}${silence.reason === null ? "" : `: ${silence.reason}`}`,
    below: true,
  },
];

const receiverColumns: Column<AlarmsJson["receivers"][number]>[] = [
  { title: "RECEIVER", value: receiverName, whole: true },
  { title: "AT", value: ({ place }) => place },
  { title: "GETS", value: ({ atLeast }) => (atLeast === "page" ? "pages" : "all"), whole: true, spare: 2 },
  { title: "LAST", value: ({ sentAt }) => shortTime(sentAt), whole: true },
  { title: "WAITING", value: ({ waiting }) => waiting, whole: true },
  { title: "DOWN SINCE", value: ({ failingSince }) => shortTime(failingSince), whole: true, spare: 1 },
  { title: "ERROR", value: ({ error }) => error, below: true },
];

const list: Command = {
  name: "alerts list",
  summary: "every alarm and how it is, and the receivers: what was sent, what waits, which is down",
  examples: {
    "wochit-relay alerts list": "shows what is on, and who was told when",
  },
  help: `An alarm is quiet, holding (it stands, and is said once it has for long enough), on, or flapping (it comes and goes, which is
said once). Receivers are those of the relay that runs.`,
  options: commonOptions,
  async run(program, args) {
    const { store, config } = await openSources(program, { toRead: true });
    const relay = await findRelay(program, config.dataDir, store);
    const found = await listAlarms(store, config, { clock: program.ports.clock, relay });
    const { alarms, receivers } = found;
    const text = renderTable(alarmColumns, alarms, styleOf(program)) + section(program, receiverColumns, receivers);
    print(program, args, found, text);
    if (receivers.length === 0)
      hint(program, "no receiver: alerts.to in the config has alarms sent to a chat, or by mail");
  },
};

const test: Command = {
  name: "alerts test",
  summary: "sends each receiver a message that stands for no alarm, and a heartbeat, and says what came of it",
  examples: {
    "wochit-relay alerts test": "shows whether alarms reach you",
    "wochit-relay alerts test ops-chat": "tests one, by its name in the config",
    "wochit-relay alerts test ops@example.com": "sends the mail alone",
    "wochit-relay alerts test heartbeat": "asks the heartbeat's address once",
  },
  help: `RECEIVER is a name, an id of alerts list, a host or a mail address. Exit code 1 where one of them does not take it. Nothing else
changes; a watcher takes the heartbeat for a living relay's.`,
  positionals: "[RECEIVER]",
  options: commonOptions,
  async run(program, args) {
    const config = await program.loadConfig();
    const named = args.positionals[0] ?? null;
    const chosen = chosenReceivers(config, named);
    const { tryReceivers } = await import("../../alerts/try.ts");
    const relay = config.server.publicUrl ?? program.hostname;
    const ways = { userAgent: `wochit-relay/${program.version}`, relay };
    const tried = await tryReceivers(chosen, program.ports, ways);
    await noteDeed(program, () => program.openStore(config), triedDeed(named, tried));
    const lines = tried.map(({ receiver: id, name, place, error, ms }) => {
      const came = error === null ? "took it" : `did not take it: ${harmless(error)}`;
      return `${receiverName({ id, name })} (${place}) ${came} (${ms} ms)\n`;
    });
    print(program, args, { data: tried }, lines.join(""));
    return tried.some(({ error }) => error !== null) ? 1 : 0;
  },
};

const silence: Command = {
  name: "alerts silence",
  summary: "says nothing of an alarm for a while, or ends that",
  examples: {
    'wochit-relay alerts silence BreakerOpen --for 2h --reason "the app moves"': "sends nothing of it for two hours",
    "wochit-relay alerts silence BreakerOpen --end": "sends again what stands",
  },
  help: "Status, doctor and the dashboard show it all the same. What still stands when the silence ends is said then.",
  positionals: "ALARM",
  words: async () => (await import("../../actions/alarms/judge.ts")).ALARMS,
  options: {
    for: { type: "string", value: "TIME", help: 'for how long, like "30m" or "2h"; at most 30d' },
    reason: { type: "string", value: "TEXT", help: "why, shown by the list" },
    end: { type: "boolean", help: "end the silence now" },
    ...commonOptions,
  },
  async run(program, args) {
    const name = args.positionals[0]!;
    const given = args.text("for");
    if (args.flag("end") === (given !== undefined)) {
      throw new RelayError("usage", "either --for says for how long, like --for 2h, or --end ends the silence");
    }
    const now = program.ports.clock.now();
    if (given === undefined) {
      const { store } = await openSources(program);
      const ended = await endSilence(store, name, now);
      return print(program, args, ended, `${ended.name} is no longer silenced\n`);
    }
    const ms = parseDuration(given) ?? 0;
    if (ms <= 0 || ms > LONGEST_SILENCE) {
      throw new RelayError("usage", `--for must be like "30m" or "2h", and at most "30d", not "${given}"`);
    }
    const { store } = await openSources(program);
    const silenced = await silenceAlarm(store, { name, ms, reason: args.text("reason") ?? null }, now);
    const until = inZone(shortTime(silenced.until)!, program.zone);
    print(program, args, silenced, `${silenced.name} is silenced until ${until}; status shows it all the same\n`);
  },
};

export const command: CommandGroup = {
  name: "alerts",
  summary: "what needs a person, and where that is sent",
  verbs: { list, test, silence },
};
