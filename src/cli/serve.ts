import type { Ports } from "../domain.ts";
import { errorLine } from "../errors.ts";
import { openLog } from "../platform/log.ts";
import { type Command, configOption } from "./command.ts";

/** A stop takes no longer than this, in milliseconds: what is still running then is left to its lease. */
const LONGEST_STOP = 9_000;

export const command: Command = {
  name: "serve",
  summary: "runs the relay until SIGTERM or SIGINT",
  options: { ...configOption },
  async run(context) {
    const config = await context.loadConfig();
    const log = await openLog(config.log, context.stdout.isTTY, 1);
    const ports: Ports = { ...context.ports, log };
    const stopped = context.untilStopped();
    context.reportCrashesTo(log);
    // Without a listener a SIGHUP would end the relay.
    context.onHangup(() => log.warn("the config is not read again in this version: restart the relay"));

    const { openRelay } = await import("../relay.ts");
    const relay = await openRelay(config, ports);
    log.info("stopping", { signal: await stopped });
    await closeInTime(relay, ports);
    return 0;
  },
};

async function closeInTime(relay: { close(): Promise<void> }, { clock, log }: Ports): Promise<void> {
  let cancel = () => {};
  const late = new Promise<string>((resolve) => {
    cancel = clock.after(LONGEST_STOP, () => resolve("some work is left to its lease: it goes on at the next start"));
  });
  const trouble = await Promise.race([relay.close().then(() => null, errorLine), late]);
  cancel();
  if (trouble === null) log.info("stopped");
  else log.warn("stopped", { trouble });
}
