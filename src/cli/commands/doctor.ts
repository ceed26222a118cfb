import { createHash } from "node:crypto";
import { opendir, readFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { dirname, resolve } from "node:path";
import type { SecretsWanted } from "../../config/load.ts";
import type { Config } from "../../config/schema.ts";
import type { JudgeSender, Request } from "../../doctor/network/senders.ts";
import { type Line, runProbes } from "../../doctor/run.ts";
import type { Given } from "../../doctor/table.ts";
import type { Former } from "../../doctor/target/former.ts";
import { RelayError } from "../../errors.ts";
import { withoutQueries } from "../../platform/log/log.ts";
import { lookAtMachine } from "../../platform/machine.ts";
import { lowerPriority } from "../../platform/process-priority.ts";
import type { Store } from "../../store/store.ts";
import type { Args } from "../args.ts";
import { type Command, configOption, jsonOption } from "../command.ts";
import { printJson } from "../output/print.ts";
import { harmless } from "../output/terminal-text.ts";
import { describePlace, findPresent } from "../places.ts";
import { abortWhenStopped, type Program as Context } from "../program.ts";

/** Names of probes line up below each other up to this width. */
const WIDTH = 24;

const COLORS = { ok: "\x1b[32m", warning: "\x1b[33m", failed: "\x1b[31m" };

export const command: Command = {
  name: "doctor",
  summary: "probes the real surroundings, and says what to do about what is wrong",
  options: {
    offline: { type: "boolean", help: "ask neither the endpoints nor the bucket" },
    database: {
      type: "string",
      value: "PATH",
      help: "only whether this database is whole, a table at a time; no config",
    },
    "while-stdin": { type: "boolean", help: "with --database: stop when standard input ends" },
    from: {
      type: "string",
      value: "ADDRESS[,ADDRESS...]",
      help: "tell whom a request would be taken for: the socket's address, then what X-Forwarded-For says",
    },
    ...jsonOption,
    ...configOption,
  },
  help: `Looks at the config, the files' rights, the disk, the senders' addresses, the target (with a file of its own that it
removes again), the endpoints (name, certificate, a HEAD, never a POST), the clock, the database, the relay, what waits and the
last backup. It works beside a running relay and without one; run it as root or as the relay's user.
Each line is ok, a warning or failed, and what to do. Exit code 1 when something failed, 2 when the config is wrong.`,
  async run(context, args) {
    const database = args.text("database");
    if (database !== undefined) return checkDatabase(context, args, resolve(context.cwd, database));
    const request = readRequest(args.text("from"));
    const judged = await context.inspectConfig(undefined, { isOutside: true });
    const { config, hasKeys } = judged.config
      ? withoutUnseen(judged.config, judged.unseen)
      : await loadWhatGoes(context);
    const abort = new AbortController();
    const given = await prepare(context, { judged, config, hasKeys, request, offline: args.flag("offline") });
    const { stagesOf } = await import("../../doctor/table.ts");
    const printer = createPrinter(context, args);
    await runProbes(stagesOf(given), { clock: context.ports.clock, signal: abort.signal, ...printer });
    return printer.end({ isConfigWrong: judged.problems.length > 0, isWhole: config !== null });
  },
};

/** Its tables one after the other, in no hurry: others may need the disk. Exit code 1 where something is wrong. */
async function checkDatabase(context: Context, args: Args, path: string): Promise<number> {
  const signal = abortWhenStopped(context, { withStdin: args.flag("while-stdin") });
  lowerPriority();
  const { inspectDatabase } = await import("../../store/sqlite/files/inspect.ts");
  const { checkTables } = await import("../../store/check-tables.ts");
  const wrong = await checkTables(() => inspectDatabase(path), signal);
  if (args.flag("json")) printJson(context.stdout, { database: path, wrong });
  else context.stdout.write(wrong.length === 0 ? `${path} is whole\n` : `${wrong.join("\n")}\n`);
  return wrong.length === 0 ? 0 : 1;
}

function readRequest(text: string | undefined): Request | null {
  if (text === undefined) return null;
  const [socket = "", ...forwarded] = text.split(",").map((address) => address.trim());
  if (isIP(socket) === 0) {
    throw new RelayError("usage", `--from begins with the address of a socket, like 10.0.0.7, not "${socket}"`);
  }
  return { socket, forwardedFor: forwarded.length === 0 ? undefined : forwarded.join(", ") };
}

/** The config with what only the service is shown left out: the warning about it has been said, and nothing of it has failed. */
function withoutUnseen(config: Config, unseen: string[]): { config: Config; hasKeys: boolean } {
  const { server } = config;
  const tls = unseen.some((place) => place.startsWith("server.tls.")) ? null : server.tls;
  return {
    config: { ...config, server: { ...server, tls } },
    hasKeys: !unseen.some((place) => place.startsWith("mirror.")),
  };
}

/** The wrong config with as many of its secrets as can be read. */
async function loadWhatGoes({ loadConfig }: Context): Promise<{ config: Config | null; hasKeys: boolean }> {
  for (const secrets of ["target", false] satisfies SecretsWanted[]) {
    try {
      return { config: await loadConfig({ secrets }), hasKeys: secrets !== false };
    } catch (error) {
      if (!(error instanceof RelayError && error.code === "config")) throw error;
    }
  }
  return { config: null, hasKeys: false };
}

async function prepare(
  context: Context,
  options: {
    judged: Awaited<ReturnType<Context["inspectConfig"]>>;
    config: Config | null;
    hasKeys: boolean;
    request: Request | null;
    offline: boolean;
  },
): Promise<Given> {
  const { judged, config, hasKeys, request, offline } = options;
  const { path } = judged;
  const raw =
    path === null
      ? null
      : await readFile(path, "utf8")
          .then(JSON.parse)
          .catch(() => null);
  const folder = path === null ? context.cwd : dirname(path);
  const isBucket = config?.mirror.target.type === "s3" && !offline;
  const mark = createHash("sha256").update(`${context.hostname} ${config?.dataDir}`).digest("hex").slice(0, 8);
  return {
    judged: { ...judged, raw, folder },
    config,
    hasKeys,
    request,
    offline,
    ports: context.ports,
    machine: lookAtMachine(),
    userAgent: `wochit-relay/${context.version}`,
    mark,
    partSize: isBucket ? (await import("../../targets/s3/upload.ts")).PART_SIZE : 0,
    judgeSender: await openJudge(config),
    async openTarget(target) {
      const { openTarget } = await import("../../targets/table.ts");
      return openTarget(target, { access: "shared", clock: context.ports.clock });
    },
    async inspect(file) {
      const { inspectDatabase } = await import("../../store/sqlite/files/inspect.ts");
      return inspectDatabase(file);
    },
    async isRunning(dataDir) {
      const { isRelayRunning } = await import("../../store/sqlite/files/inspect.ts");
      return isRelayRunning(dataDir);
    },
    openStore: () => context.openStore(config!),
    listFormer: (store) => listFormer(store, config!),
  };
}

/** The receiving route's own code, asked without a request; the token is another matter. */
async function openJudge(config: Config | null): Promise<JudgeSender> {
  const { createSourceCheck } = await import("../../receive/source.ts");
  const check = config && createSourceCheck(config);
  return ({ socket, forwardedFor }) => {
    const headers = forwardedFor === undefined ? {} : { "x-forwarded-for": forwardedFor };
    const asked = { socket: { remoteAddress: socket }, headers } as unknown as IncomingMessage;
    const { address, refusal } = check!(asked, undefined);
    return { address, isAllowed: refusal !== "source" };
  };
}

/** The places where copies were kept before. Nothing is written: the present one need not be known to the database yet. */
async function listFormer(store: Store, { mirror, dataDir }: Config): Promise<Former[]> {
  const present = await findPresent(store, mirror.target);
  const former = (await store.targets()).filter(({ id }) => id !== present);
  if (former.length === 0) return [];
  const { openTargets } = await import("../../mirror/open-targets.ts");
  const targetId = async () => present ?? "";
  return former.map(({ id, place }) => ({
    name: describePlace(place),
    async look() {
      if (place.type === "local") return (await opendir(place.dir)).close();
      const targets = await openTargets({
        config: mirror,
        dataDir,
        store: { targetId, targets: () => store.targets() },
        beside: true,
      });
      try {
        // Nothing is there: a store that says so is a store that answers.
        await (await targets.at(id))?.head("~doctor");
      } finally {
        await targets.close();
      }
    },
  }));
}

/** Prints each line as soon as it is there, with what is under way below it on a terminal. */
function createPrinter({ stdout, stderr, env }: Context, args: Args) {
  const asJson = args.flag("json");
  const isLive = stderr.isTTY && !asJson;
  const isColored = stdout.isTTY && !env.NO_COLOR;
  const counts = { ok: 0, warning: 0, failed: 0 };
  const clear = () => {
    if (isLive) stderr.write("\r\x1b[K");
  };
  const clean = (text: string) => harmless(withoutQueries(text));

  return {
    found({ probe, state, detail, advice }: Line): void {
      counts[state]++;
      if (asJson) {
        const said = { detail: withoutQueries(detail), advice: advice && withoutQueries(advice) };
        return printJson(stdout, { probe, state, ...said });
      }
      clear();
      const word = isColored ? `${COLORS[state]}${state.padEnd(7)}\x1b[0m` : state.padEnd(7);
      const rest = `${probe.padEnd(WIDTH)}  ${detail}${advice === null ? "" : ` → ${advice}`}`;
      stdout.write(`${word}  ${clean(rest)}\n`);
    },

    progress(text: string): void {
      if (!isLive) return;
      const room = Math.max(0, stderr.columns - 4);
      stderr.write(`\r\x1b[K${text === "" ? "" : clean(`… ${text}`).slice(0, room)}`);
    },

    /** Says what came of it; gives the exit code. */
    end({ isConfigWrong, isWhole }: { isConfigWrong: boolean; isWhole: boolean }): number {
      clear();
      const { ok, warning, failed } = counts;
      if (!asJson) {
        stdout.write(`\n${ok} ok, ${warning} ${warning === 1 ? "warning" : "warnings"}, ${failed} failed\n`);
      }
      if (!isWhole) stderr.write("wochit-relay: nothing else can be looked at before the config is right\n");
      return isConfigWrong ? 2 : failed > 0 ? 1 : 0;
    },
  };
}
