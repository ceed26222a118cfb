import { createHash } from "node:crypto";
import { opendir } from "node:fs/promises";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { hasCopy } from "../../actions/media.ts";
import { findPresent } from "../../actions/move/copies.ts";
import { reachable } from "../../actions/relay/ready.ts";
import type { SecretsWanted } from "../../config/hidden.ts";
import type { Inspection } from "../../config/load.ts";
import type { Config } from "../../config/schema.ts";
import type { Request } from "../../doctor/network/senders.ts";
import { type Line, runProbes } from "../../doctor/run.ts";
import type { LookedFor } from "../../doctor/target/copies.ts";
import type { Former } from "../../doctor/target/former.ts";
import { RelayError } from "../../errors.ts";
import { withoutQueries } from "../../platform/log/log.ts";
import type { Store } from "../../store/store.ts";
import type { Args } from "../args.ts";
import type { Command } from "../command.ts";
import { commonOptions } from "../options.ts";
import { hasColors, printJson } from "../output/print.ts";
import { canErase, createProgress } from "../output/progress.ts";
import { harmless } from "../output/terminal-text.ts";
import { inZone } from "../output/times.ts";
import { describePlace, folderOfPlace } from "../places.ts";
import { abortWhenStopped, type Program } from "../program.ts";

/** Names of probes line up below each other up to this width. */
const WIDTH = 24;

const COLORS = { ok: "\x1b[32m", warning: "\x1b[33m", failed: "\x1b[31m" };

export const command: Command = {
  name: "doctor",
  summary: "checks config, files, network, target and database, and says what to do",
  examples: {
    "wochit-relay doctor": "checks everything",
    "wochit-relay doctor --offline": "sends nothing to endpoints and bucket",
    "wochit-relay doctor --from 203.0.113.9": "says what becomes of a webhook from this address",
  },
  options: {
    offline: { type: "boolean", help: "send no request to endpoints or bucket" },
    database: {
      type: "string",
      value: "PATH",
      help: "check this database only, a table at a time; needs no config",
    },
    "while-stdin": { type: "boolean", help: "with --database: stop when standard input ends" },
    from: {
      type: "string",
      value: "ADDRESS[,ADDRESS...]",
      help: "show the sender of a request: the socket's address, then what X-Forwarded-For says",
    },
    ...commonOptions,
  },
  help: `Checks the config, the files' permissions, the disk, the senders' addresses, the target (with a file of its own that
it removes), the endpoints (name, certificate, a HEAD, never a POST), the clock, the database, the relay, what waits and the
last backup. It works beside a running relay and without one; run it as root or as the relay's user.
Each line is ok, a warning or failed, and says what to do. Exit code 1 when something failed, 2 when the config is wrong.`,
  async run(program, args) {
    const database = args.text("database");
    if (database !== undefined) return checkDatabase(program, args, resolve(program.cwd, database));
    const request = readRequest(args.text("from"));
    const judged = await program.inspectConfig(undefined, { isOutside: true });
    const { config, hasKeys } = await readUsable(program, judged);
    const { stagesOf } = await import("../../doctor/table.ts");
    const printer = createPrinter(program, args);
    printer.progress("data.folder");
    const { hostname, ports, version } = program;
    const stages = await stagesOf({
      judged,
      config,
      hasKeys,
      ports,
      userAgent: `wochit-relay/${version}`,
      mark: createHash("sha256").update(`${hostname} ${config?.dataDir}`).digest("hex").slice(0, 8),
      offline: args.flag("offline"),
      request,
      openStore: () => program.openStore(config!),
      async inspectServer() {
        const { inspectServer } = await import("../../store/postgres/relays/inspect.ts");
        return inspectServer(config!.store!, ports);
      },
      async readOrigin(dataDir) {
        const { origin = null } = (await program.runningOn(dataDir)) ?? {};
        return origin === null ? null : reachable(origin);
      },
      listFormer: (store) => listFormer(store, config!),
      lookForCopies: (store) => lookForCopies(store, config!),
    });
    await runProbes(stages, { clock: ports.clock, ...printer });
    return printer.end({ isConfigWrong: judged.problems.length > 0, isWhole: config !== null });
  },
};

/** Checks one table after the other, at a low priority: others may need the disk. Exit code 1 where something is wrong. */
async function checkDatabase(program: Program, args: Args, path: string): Promise<number> {
  const signal = abortWhenStopped(program, { withStdin: args.flag("while-stdin") });
  program.lowerPriority();
  const { inspectDatabase } = await import("../../store/sqlite/files/inspect.ts");
  const { checkTables } = await import("../../store/check-tables.ts");
  const progress = createProgress(program, args.flag("json"));
  const tell = (how: string) => {
    progress.clear();
    progress.wait(`checking ${how}`);
  };
  const wrong = await checkTables(() => inspectDatabase(path), signal, tell).finally(progress.clear);
  if (args.flag("json")) printJson(program.stdout, { database: path, wrong });
  else program.stdout.write(wrong.length === 0 ? `${path} is whole\n` : `${wrong.join("\n")}\n`);
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

/** As much of the config as can be used, and whether the keys of its target are in it. */
async function readUsable(
  { loadConfig }: Program,
  { config, unseen }: Inspection,
): Promise<{ config: Config | null; hasKeys: boolean }> {
  const isUnseen = (option: string) => unseen.some((place) => place.startsWith(option));
  if (config !== null) {
    // A warning says already what only the service can read.
    const tls = isUnseen("server.tls.") ? null : config.server.tls;
    return { config: { ...config, server: { ...config.server, tls } }, hasKeys: !isUnseen("mirror.") };
  }
  for (const secrets of ["target", false] satisfies SecretsWanted[]) {
    try {
      return { config: await loadConfig({ secrets }), hasKeys: secrets !== false };
    } catch (error) {
      if (!(error instanceof RelayError && error.code === "config")) throw error;
    }
  }
  return { config: null, hasKeys: false };
}

/** The places where copies were kept before. Nothing is written: the present place may be missing in the database. */
async function listFormer(store: Store, { mirror, dataDir }: Config): Promise<Former[]> {
  const present = await findPresent(store, mirror.target);
  const former = (await store.targets()).filter(({ id }) => id !== present);
  if (former.length === 0) return [];
  const { openTargets } = await import("../../mirror/open-targets.ts");
  const targetIds = { targetId: async () => present ?? "", targets: () => store.targets() };
  return former.map(({ id, place }) => ({
    name: describePlace(place),
    async look() {
      const folder = folderOfPlace(place);
      if (folder !== null) return (await opendir(folder)).close();
      const targets = await openTargets({ config: mirror, dataDir, store: targetIds, beside: true });
      try {
        // There is no such object: a store that says so is reached.
        await (await targets.at(id))?.head("~doctor");
      } finally {
        await targets.close();
      }
    },
  }));
}

/** How many of the newest copies are looked for. */
const COPIES = 20;

async function lookForCopies(store: Store, { mirror, dataDir }: Config): Promise<LookedFor> {
  const copies = (await store.media({ limit: COPIES, withCopy: true, state: "mirrored" })).filter(hasCopy);
  if (copies.length === 0) return { copies: 0, missing: [] };
  const { openTargets } = await import("../../mirror/open-targets.ts");
  const targetId = async () => (await findPresent(store, mirror.target)) ?? "";
  const ids = { targetId, targets: () => store.targets() };
  const targets = await openTargets({ config: mirror, dataDir, store: ids, beside: true });
  try {
    const missing: string[] = [];
    for (const { id, target, key, bytes } of copies) {
      const found = (await (await targets.at(target))?.head(key)) ?? null;
      if (found === null || (bytes !== null && found.bytes !== bytes)) missing.push(id);
    }
    return { copies: copies.length, missing };
  } finally {
    await targets.close();
  }
}

/** Prints each line as it comes, and on a terminal what is under way below it. */
function createPrinter({ stdout, stderr, env, zone }: Program, args: Args) {
  const asJson = args.flag("json");
  const isLive = canErase({ stderr, env }) && !asJson;
  const isColored = hasColors({ stdout, env });
  const counts = { ok: 0, warning: 0, failed: 0 };
  const clean = (text: string) => harmless(withoutQueries(inZone(text, zone)));
  const progress = (text: string) => {
    const room = Math.max(0, stderr.columns - 4);
    if (isLive) stderr.write(`\r\x1b[K${text === "" ? "" : clean(`… ${text}`).slice(0, room)}`);
  };

  return {
    progress,

    found({ probe, state, detail, advice }: Line): void {
      counts[state]++;
      if (asJson) {
        const words = { detail: withoutQueries(detail), advice: advice && withoutQueries(advice) };
        return printJson(stdout, { probe, state, ...words });
      }
      progress("");
      const word = isColored ? `${COLORS[state]}${state.padEnd(7)}\x1b[0m` : state.padEnd(7);
      const rest = `${probe.padEnd(WIDTH)}  ${detail}${advice === null ? "" : ` → ${advice}`}`;
      stdout.write(`${word}  ${clean(rest)}\n`);
    },

    /** Prints the totals; returns the exit code. */
    end({ isConfigWrong, isWhole }: { isConfigWrong: boolean; isWhole: boolean }): number {
      progress("");
      const { ok, warning, failed } = counts;
      const warnings = warning === 1 ? "1 warning" : `${warning} warnings`;
      if (!asJson) stdout.write(`\n${ok} ok, ${warnings}, ${failed} failed\n`);
      if (!isWhole) stderr.write("wochit-relay: nothing else can be looked at before the config is right\n");
      return isConfigWrong ? 2 : failed > 0 ? 1 : 0;
    },
  };
}
