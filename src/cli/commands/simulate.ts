import { type Config, parseListen } from "../../config/schema.ts";
import { errorLine, RelayError } from "../../errors.ts";
import { originOf } from "../../links/durable-link.ts";
import { suggest } from "../../rules/nearest.ts";
import type { Report } from "../../simulator/campaign.ts";
import type { EventType } from "../../simulator/events.ts";
import type { Fault } from "../../simulator/faults.ts";
import type { Args } from "../args.ts";
import { type Command, configOption, jsonOption } from "../command.ts";
import { print } from "../output/print.ts";
import { harmless } from "../output/terminal-text.ts";
import type { Program } from "../program.ts";

/** How long the media are served to a relay that does not fetch them, in seconds. */
const LINGER = 60;

/** Up to this many videos have a lifelike size, in bytes. */
const FEW = 100;
const LIFELIKE = 500_000;

export const command: Command = {
  name: "simulate",
  summary: "sends the provider's events to a relay, with media links that really answer",
  examples: {
    "wochit-relay simulate all": "sends one event of each type, about one video, to the relay of the config",
    "wochit-relay simulate video.ready --count 100 --rate 10": "sends a hundred videos in ten seconds",
    "wochit-relay simulate video.ready --fault 503": "sends a video whose links answer 503 at first",
  },
  positionals: "TYPE|all",
  words: typeWords,
  options: {
    to: { type: "string", value: "URL", help: "where the relay takes webhooks (default: as in its config)" },
    count: { type: "string", value: "N", help: "of how many videos (default 1)" },
    rate: { type: "string", value: "N", help: "at most N events a second" },
    legacy: { type: "boolean", help: 'send "video.ready" in the older dialect, without a type' },
    context: { type: "string", value: "TEXT", help: "the videoContext (default: an invented one of each video)" },
    "video-id": { type: "string", value: "ID", help: "all about this video (default: a new one each)" },
    fault: { type: "string", value: "NAME", help: "what is wrong with the media: see below" },
    linger: {
      type: "string",
      value: "SECONDS",
      help: `how long to wait until the media are fetched (default ${LINGER})`,
    },
    ...jsonOption,
    ...configOption,
  },
  help: `TYPE: draft.new draft.update draft.exit video.ready legacy video.failed video.delete draft.delete.
"all" sends each of them about one video, in the order of its life; it is deleted once the relay has its media.

The media are served from 127.0.0.1 until the relay has them, so the relay needs
  "receive": {"allowFrom": ["127.0.0.1"]},
  "mirror": {"allowPrivateAddresses": ["127.0.0.1"]}

Faults: slow cut break 403 403-then-there 404 404-then-there 503 html-200 empty redirect redirect-loop
wrong-length expired never outage.

Exit code 0 when every event was accepted.`,
  run: simulate,
};

async function typeWords(): Promise<readonly string[]> {
  const { EVENT_TYPES } = await import("../../simulator/events.ts");
  return [...EVENT_TYPES, "all"];
}

async function simulate(program: Program, args: Args): Promise<number> {
  const { EVENT_TYPES } = await import("../../simulator/events.ts");
  const { runCampaign } = await import("../../simulator/campaign.ts");
  const { openProvider } = await import("../../simulator/provider.ts");
  const { waitForDownloads } = await import("../../simulator/wait-for-downloads.ts");
  const types = readTypes(args, EVENT_TYPES);
  const fault = await readFault(args.text("fault"));
  const count = args.count("count", 1);
  const linger = args.count("linger", LINGER, 0);
  const to = args.text("to") ?? addressIn(await program.loadConfig());
  if (!URL.canParse(to)) throw new RelayError("usage", `--to must be a URL like http://127.0.0.1:8080/webhooks/wochit`);

  const { stderr, ports } = program;
  const stop = new AbortController();
  void program.untilStopped().then(() => stop.abort());
  const provider = await openProvider(ports);
  provider.setFault(fault);
  try {
    let accepted = 0;
    let failed = 0;
    const hints = new Set<string>();
    let waited = false;
    /** Once: what deletes announces no media. */
    const waitOnce = async () => {
      if (waited || accepted === 0 || stop.signal.aborted) return;
      waited = true;
      const say = (line: string) => stderr.write(`${line}\n`);
      await waitForDownloads(provider, { linger, clock: ports.clock, signal: stop.signal, say });
    };
    const campaign = {
      ...{ to, types, count, rate: args.rate("rate"), signal: stop.signal, beforeDeletion: waitOnce },
      ...{ videoId: args.text("video-id"), context: args.text("context") },
      videoBytes: count <= FEW ? LIFELIKE : undefined,
    };
    await runCampaign(campaign, { ...ports, provider }, (report) => {
      if ("sent" in report && report.sent.status >= 200 && report.sent.status < 300) accepted++;
      else failed++;
      const outcome = outcomeOf(report);
      print(program, args, outcome, `${harmless(describe(outcome))}\n`);
      const hint = hintFor(report, { host: new URL(to).host, isGiven: args.text("to") !== undefined });
      if (hint === null || hints.has(hint)) return;
      hints.add(hint);
      for (const line of hint.split("\n")) stderr.write(`${harmless(line)}\n`);
    });
    await waitOnce();
    return failed === 0 && accepted > 0 ? 0 : 1;
  } finally {
    await provider.close();
  }
}

function readTypes(args: Args, all: readonly EventType[]): readonly EventType[] {
  const word = args.positionals[0]!;
  const legacy = args.flag("legacy");
  if (word === "all") return legacy ? all.filter((type) => type !== "video.ready") : all;
  const type = all.find((one) => one === word);
  if (type === undefined)
    throw new RelayError("usage", `the provider sends no "${word}"${suggest(word, [...all, "all"])}`);
  if (!legacy) return [type];
  if (type === "video.ready" || type === "legacy") return ["legacy"];
  throw new RelayError("usage", 'the older dialect knows "video.ready" only');
}

async function readFault(word: string | undefined): Promise<Fault | null> {
  if (word === undefined) return null;
  const { faultsByName } = await import("../../simulator/faults.ts");
  const fault = new Map<string, Fault>(Object.entries(faultsByName)).get(word);
  if (fault !== undefined) return fault;
  throw new RelayError("usage", `there is no fault "${word}"${suggest(word, Object.keys(faultsByName))}`);
}

/** Where a relay with this config takes webhooks, seen from the machine that it runs on. */
function addressIn({ server, receive }: Config): string {
  const { host, port } = parseListen(server.listen)!;
  if (port === 0) throw new RelayError("usage", "the config leaves the port open (server.listen): say --to URL");
  const near = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return [originOf(server, near, port) + receive.path, ...receive.tokens.slice(0, 1)].join("/");
}

type Answer = { id?: string; status?: string; error?: { code?: string; message?: string } };

/** The server at --to may be something else than a relay. */
function readAnswer(json: unknown): Answer {
  return typeof json === "object" && json !== null ? json : {};
}

/** What became of an event, as `--json` prints it. */
function outcomeOf(report: Report) {
  const { type, videoId } = report;
  if ("error" in report) return { type, videoId, error: errorLine(report.error) };
  const { status: httpStatus, ms, json } = report.sent;
  const { id, status, error } = readAnswer(json);
  return { type, videoId, httpStatus, id, status, error: error?.code, ms: Math.round(ms * 10) / 10 };
}

function describe({ type, videoId, error, ...answer }: ReturnType<typeof outcomeOf>): string {
  const head = `${type.padEnd(12)}  ${videoId}  `;
  if (answer.ms === undefined) return `${head}not sent: ${error}`;
  const { httpStatus, status = "", id = "", ms } = answer;
  return `${head}${httpStatus}  ${error ?? `${status}  ${id}`}  ${ms.toFixed(1)} ms`;
}

/** What to do about an event that was not accepted, one line or more; null: no hint. */
function hintFor(report: Report, to: { host: string; isGiven: boolean }): string | null {
  if ("error" in report) {
    const why = errorLine(report.error);
    if (!/certificate|CERT/.test(why)) {
      return `no relay took this at ${to.host}: start one ("wochit-relay serve"), or say where it is (--to URL)`;
    }
    return `\
the relay's certificate at ${to.host} is refused (${why}): say --to with a name that it is made
for, or set NODE_EXTRA_CA_CERTS to the file of the certificate, or of its authority, for this command`;
  }
  const { error } = readAnswer(report.sent.json);
  if (error?.code !== "source_not_allowed") return error?.message ?? null;
  return to.isGiven ? `${TOKEN_HINT}\n${SOURCE_HINT}` : SOURCE_HINT;
}

const TOKEN_HINT = `\
Where the relay has a token (receive.token), --to ends with it, as in http://127.0.0.1:8080/webhooks/wochit/TOKEN: is it there,
and right? Without --to, path and token are taken from the config. If they are right, it is the address of this machine.`;

const SOURCE_HINT = `\
The relay takes webhooks from the provider's addresses only.
To try it from this machine, put this into its config and start it again:
  "receive": {"allowFrom": ["127.0.0.1"]}, "mirror": {"allowPrivateAddresses": ["127.0.0.1"]}`;
