import { formatCount } from "../../actions/format.ts";
import { codeOf, RelayError } from "../../errors.ts";
import { hangUp, pidNamespace } from "../../platform/processes/other-process.ts";
import { sleep } from "../../platform/timing.ts";
import type { Args } from "../args.ts";
import { type Command, configOption, jsonOption } from "../command.ts";
import { type ReloadNote, type RunNote, readRunNote } from "../config/run-note.ts";
import { print } from "../output/print.ts";
import { harmless } from "../output/terminal-text.ts";
import { abortWhenStopped, type Program } from "../program.ts";

/** How long the relay's outcome is waited for, and how often it is looked for; milliseconds. */
const LONGEST = 60_000;
const LOOK_EVERY = 50;

export const command: Command = {
  name: "reload",
  summary: "has the running relay read its config again, and says what it took, or why it refused",
  examples: {
    "wochit-relay reload": "takes an edited config",
    "wochit-relay reload --json": "gives the outcome to a program",
  },
  options: { ...jsonOption, ...configOption },
  help: `The config is taken whole, or refused whole: then the former one holds, and the exit code is 2. The files of secrets and
certificates are read anew. A value from an environment variable is that of the relay's start, until it is restarted. Run it as
root or as the relay's user, in the container of the relay where it has one. It is what SIGHUP and "systemctl reload" do.

To rotate the admin token: change admin.token in the config, or where it has none remove the file admin-token in the data
folder; then reload. The old one ends at once, and the logins by it.`,
  async run(program, args) {
    const { dataDir } = await program.loadConfigToRead({ isQuiet: true });
    const { pid } = await findRelay(dataDir);
    const since = program.ports.clock.now();
    signal(pid, dataDir);
    return report(program, args, await waitForOutcome(program, dataDir, since));
  },
};

async function findRelay(dataDir: string): Promise<RunNote> {
  const { isRelayRunning } = await import("../../store/sqlite/files/inspect.ts");
  if (!mayBeTold(() => isRelayRunning(dataDir))) {
    throw new RelayError("not_found", `no relay runs with ${dataDir}: it reads the config when it is started`);
  }
  const note = await readRunNote(dataDir);
  // Deno shows a process what the system says of it, and lets it send signals, only with --allow-all.
  if (note === null || (note.namespace === null) !== (pidNamespace() === null)) {
    throw new RelayError(
      "unsupported",
      'its process is not known here: send it SIGHUP ("systemctl reload wochit-relay")',
    );
  }
  if (note.namespace === pidNamespace()) return note;
  throw new RelayError("unsupported", "the relay runs in another container: run this command there");
}

function signal(pid: number, dataDir: string): void {
  mayBeTold(() => {
    try {
      hangUp(pid);
    } catch (error) {
      if (codeOf(error) !== "ESRCH") throw error;
      throw new RelayError("not_found", `the relay of ${dataDir} has just ended`);
    }
  });
}

/** Does what only root and the relay's own user may do. */
function mayBeTold<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!["EACCES", "EPERM"].includes(codeOf(error))) throw error;
    throw new RelayError("unsupported", "only root and the relay's own user may have it read its config");
  }
}

async function waitForOutcome(program: Program, dataDir: string, since: number): Promise<ReloadNote> {
  const { clock } = program.ports;
  const stopped = abortWhenStopped(program);
  for (const began = clock.elapsed(); clock.elapsed() - began < LONGEST && !stopped.aborted; ) {
    const reload = (await readRunNote(dataDir))?.reload ?? null;
    if (reload !== null && reload.begunAt >= since) return reload;
    await sleep(LOOK_EVERY, clock, stopped);
  }
  throw new RelayError("unsupported", "the relay was asked, and has not said yet what it did: see its log");
}

function report(program: Program, args: Args, note: ReloadNote): number {
  const { begunAt: _, config, problems, warnings, changed, needsRestart, environment } = note;
  const taken = problems.length === 0;
  const lines = [...problems, ...warnings.map((line) => `warning: ${line}`)];
  if (taken)
    lines.push(changed.length > 0 ? `config taken, changed: ${changed.join(", ")}` : "config taken: no change");
  if (needsRestart.length > 0) lines.push(`restart the relay for these to change: ${needsRestart.join(", ")}`);
  if (environment.length > 0) {
    lines.push(`values from its environment are those of its start, until it is restarted: ${environment.join(", ")}`);
  }
  print(program, args, { taken, config, problems, warnings, changed, needsRestart, environment }, text(lines));
  if (taken) return 0;
  if (!args.flag("json")) {
    program.stderr.write(
      `wochit-relay: refused (${formatCount(problems.length, "problem")}): the former config holds\n`,
    );
  }
  return 2;
}

function text(lines: string[]): string {
  return lines.map((line) => `${harmless(line)}\n`).join("");
}
