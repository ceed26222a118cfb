import { isIP } from "node:net";
import { type Config, parseListen } from "../../config/schema.ts";
import { askRelay } from "../../platform/net/ask-relay.ts";
import { readCertificates } from "../../platform/net/certificates.ts";
import type { Clock } from "../../ports.ts";
import type { DataFolder } from "../files/data-folder.ts";
import { type Finding, failed, inTime, ok, type Probe, warning } from "../probe.ts";
import { judgeServed } from "./certificate.ts";
import { explain } from "./errors.ts";

/** Milliseconds. `/readyz` answers within one second. */
const PATIENCE = 5_000;

/** Whether a relay runs on the data folder, and what it answers about itself. */
export function relayProbe(options: {
  config: Pick<Config, "server">;
  data: DataFolder;
  isRunning(dataDir: string): Promise<boolean>;
  clock: Clock;
}): Probe {
  const { config, data, isRunning, clock } = options;
  const { tls } = config.server;
  return {
    name: "relay",
    patience: null,
    async run() {
      const runs = data.folder !== null && (await isRunning(data.path));
      const at = ownAddress(config);
      const none = `none is running with ${data.path}`;
      const start = "start it: systemctl start wochit-relay";
      if (at === null) {
        const line = "server.listen leaves the port to the system, so it cannot be asked";
        return runs ? ok(`one is running; ${line}`) : warning(none, start);
      }
      try {
        const answer = await inTime({ clock, ms: PATIENCE }, (signal) => askRelay(at.url, signal));
        if (!runs) {
          const line = `${none}, but something answers ${answer.status} at ${at.url.origin}`;
          return warning(line, "is that another relay, or another dataDir? Two cannot have one address");
        }
        const ready = judgeReady(answer, at.url);
        if (tls === null) return ready;
        const shown = await inTime({ clock, ms: PATIENCE }, (signal) => readCertificates(at, signal));
        return [ready, await judgeServed(shown, tls.cert)];
      } catch (error) {
        if (!runs) return warning(none, start);
        return failed(
          `one is running with ${data.path}, but does not answer at ${at.url.origin}: ${explain(error)}`,
          "is server.listen, or the socket of systemd, the address it was started with? See its log, then restart it",
        );
      }
    },
  };
}

/** Where this machine reaches its own relay; null: the system chose the port. */
function ownAddress({ server }: Pick<Config, "server">) {
  const { host, port } = parseListen(server.listen)!;
  if (port === 0) return null;
  // Not every system takes a connection to the "any" address for one to itself.
  const address = host === "0.0.0.0" ? "127.0.0.1" : /^[0:]+$/.test(host) ? "::1" : host;
  const authority = `${isIP(address) === 6 ? `[${address}]` : address}:${port}`;
  const url = new URL(`http${server.tls ? "s" : ""}://${authority}/readyz`);
  const name = server.publicUrl === null ? address : new URL(server.publicUrl).hostname;
  return { url, address, port, name };
}

function judgeReady({ status, body }: { status: number; body: string }, { origin }: URL): Finding {
  const answer = readAnswer(body);
  if (answer === null)
    return failed(`something answers at ${origin} with ${status}, but no relay`, "see server.listen");
  const reasons = answer.reasons.join("; ");
  if (status !== 200) return failed(`it answers ${status}: ${reasons || "not ready"}`, "see its log");
  if (answer.degraded) return warning(`it is ready, but degraded: ${reasons}`, "see the other lines, and its log");
  return ok(`one is running, and ready at ${origin}`);
}

function readAnswer(body: string): { degraded: boolean; reasons: string[] } | null {
  try {
    const { status, degraded, reasons } = JSON.parse(body) as Record<string, unknown>;
    if (typeof status !== "string") return null;
    return { degraded: degraded === true, reasons: Array.isArray(reasons) ? reasons.map(String) : [] };
  } catch {
    return null;
  }
}
