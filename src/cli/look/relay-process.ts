import { shortTime } from "../../actions/format.ts";
import { isoTime } from "../../actions/json.ts";
import { askReadiness, DISK_LOW, reachable, TARGET_DOWN } from "../../actions/relay/ready.ts";
import { isLive } from "../../actions/relay/relays.ts";
import type { RelayProcess } from "../../actions/status.ts";
import { errorLine, RelayError } from "../../errors.ts";
import { within } from "../../platform/timing.ts";
import type { Clock } from "../../ports.ts";
import type { Store } from "../../store/store.ts";
import type { RunNote } from "../config/run-note.ts";
import type { Program } from "../program.ts";

/** How long the relay is waited for, in milliseconds: `/readyz` answers within one second. */
const TIMEOUT = 2_000;

/** Whether a relay works on a store: that of a data folder, or any of those that share it. */
export async function isAnyRunning({ ports }: Program, dataDir: string, store: Running): Promise<boolean> {
  const { isRelayRunning } = await import("../../store/sqlite/files/inspect.ts");
  if (isRelayRunning(dataDir)) return true;
  return store.shared ? (await store.relays()).some((one) => isLive(one, ports.clock.now())) : false;
}

type Running = Pick<Store, "shared" | "relays">;

/** The relay that works on a data folder, by what it noted there, and by what it says of itself. */
export async function findRelay(
  program: Program,
  dataDir: string,
  store: Running & Pick<Store, "trouble">,
): Promise<RelayProcess> {
  const isRunning = await isAnyRunning(program, dataDir, store);
  const storeTrouble = store.trouble();
  const note = isRunning ? await program.runningOn(dataDir) : null;
  const { version = null, startedAt = null, origin = null } = note ?? {};
  const reasons = origin === null ? [] : await askReasons(reachable(origin), program.ports.clock);
  const said = reasons.filter((reason) => reason !== TARGET_DOWN && reason !== DISK_LOW);
  return {
    ...{ isRunning, version, startedAt, storeTrouble },
    // Of the disk there is an alarm of its own, and of the target.
    troubles: [...said, ...(await findConfigTroubles(program, isRunning, note))],
    targetTrouble: reasons.find((reason) => reason === TARGET_DOWN) ?? null,
  };
}

/** Why it is not ready, or degraded. */
async function askReasons(origin: URL, clock: Clock): Promise<string[]> {
  const late = () => new Error(`no answer within ${TIMEOUT / 1000} s`);
  try {
    const { status, said } = await within(TIMEOUT, clock, (signal) => askReadiness(origin, signal), { late });
    return said?.reasons ?? [`something answers at ${origin.origin} with ${status}, but no relay`];
  } catch (error) {
    return [`the relay does not answer at ${origin.origin}: ${errorLine(error)}`];
  }
}

/** What keeps the relay from starting again with its config: the running one goes on with the former. */
async function findConfigTroubles(program: Program, isRunning: boolean, note: RunNote | null): Promise<string[]> {
  const then = isRunning
    ? "the relay goes on with the former one, but a restart would fail"
    : "no relay can start with it";
  try {
    await program.loadConfig({ secrets: false });
  } catch (error) {
    if (!(error instanceof RelayError && error.code === "config")) throw error;
    const [first = ""] = error.message.split("\n");
    return [`the config has problems: ${then}: ${first}`];
  }
  const reload = note?.reload ?? null;
  if (reload === null || reload.problems.length === 0) return [];
  return [`the config was refused at ${shortTime(isoTime(reload.begunAt))}: ${then}: ${reload.problems[0]}`];
}
