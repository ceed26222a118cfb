import { askReadiness, localOrigin, type Readiness, reachable } from "../../actions/relay/ready.ts";
import { explain } from "../../doctor/network/errors.ts";
import { errorLine, RelayError } from "../../errors.ts";
import { within } from "../../platform/timing.ts";
import { type Command, configOption, jsonOption } from "../command.ts";
import { readRunNote } from "../config/run-note.ts";
import { print } from "../output/print.ts";
import { harmless } from "../output/terminal-text.ts";
import type { Program } from "../program.ts";

/** Milliseconds; `/readyz` answers within one second. Less than the timeouts that the examples in docs/ give a probe. */
const TIMEOUT = 4_000;

export const command: Command = {
  name: "healthcheck",
  summary: "asks the running relay whether it can take events: exit code 0 or 1, one line",
  examples: {
    "wochit-relay healthcheck": "for HEALTHCHECK of a container, and for probes",
    "wochit-relay healthcheck --json": "gives the answer to a program",
  },
  options: { ...jsonOption, ...configOption },
  help: `It asks /readyz where the relay listens by its own note in dataDir, else by the config. A relay that is degraded (low disk,
target down) takes events: exit code 0, with the reasons. "doctor" says more.`,
  async run(program, args) {
    const health = await look(program);
    const { ready, url, reasons } = health;
    const why = reasons.join("; ");
    if (ready || args.flag("json")) {
      const line = `ready at ${url}${why === "" ? "" : `, but degraded: ${why}`}`;
      print(program, args, health, `${harmless(line)}\n`);
    } else {
      program.stderr.write(`wochit-relay: ${harmless(`not ready${url === null ? "" : ` at ${url}`}: ${why}`)}\n`);
    }
    return ready ? 0 : 1;
  },
};

/** `reasons`: why it is not ready or degraded. `url`: the origin that was asked; null: it is not known. */
type Health = { ready: boolean; degraded: boolean; url: string | null; reasons: string[] };

async function look(program: Program): Promise<Health> {
  const not = (url: string | null, reason: string) => ({ ready: false, degraded: false, url, reasons: [reason] });
  let origin: URL | null;
  try {
    const { dataDir, server } = await program.loadConfigToRead({ isQuiet: true });
    const noted = (await readRunNote(dataDir))?.origin ?? null;
    origin = noted === null ? localOrigin(server) : reachable(noted);
    if (origin === null) return not(null, `no relay has noted in ${dataDir} where it listens`);
  } catch (error) {
    // A prober reads other exit codes than 0 and 1 as it likes.
    if (error instanceof RelayError && error.code === "config") return not(null, errorLine(error));
    throw error;
  }
  const url = origin.origin;
  try {
    const late = () => new Error(`no answer within ${TIMEOUT / 1_000} s`);
    const { clock } = program.ports;
    return judge(url, await within(TIMEOUT, clock, (signal) => askReadiness(origin, signal), { late }));
  } catch (error) {
    return not(url, explain(error));
  }
}

function judge(url: string, { status, said }: Readiness): Health {
  if (said === null) {
    return { ready: false, degraded: false, url, reasons: [`something answers with ${status}, but no relay`] };
  }
  const ready = status === 200;
  const reasons = ready || said.reasons.length > 0 ? said.reasons : [`it answers ${status}`];
  return { ready, degraded: ready && said.degraded, url, reasons };
}
