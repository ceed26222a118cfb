import { isIP } from "node:net";
import { type Config, parseListen } from "../../config/schema.ts";
import { askRelay } from "../../platform/net/ask-relay.ts";
import { readCertificates } from "../../platform/net/certificates.ts";
import type { Clock } from "../../ports.ts";
import type { Place } from "../files/place.ts";
import { type Finding, failed, inTime, ok, type Probe, warning } from "../probe.ts";
import { judgeServed } from "./certificate.ts";
import { explain } from "./errors.ts";

/** Milliseconds: `/readyz` answers within one, or something is wrong. */
const PATIENCE = 5_000;

/** Whether a relay has the data folder, and what it says of itself. */
export function relayProbe(options: {
  config: Pick<Config, "server">;
  place: () => Promise<Place>;
  isRunning(dataDir: string): Promise<boolean>;
  clock: Clock;
}): Probe {
  const { config, place, isRunning, clock } = options;
  const { tls } = config.server;
  return {
    name: "relay",
    patience: null,
    async run(outer) {
      const { dataDir, folder } = await place();
      const runs = folder !== null && (await isRunning(dataDir));
      const at = ownAddress(config);
      const start = "start it: systemctl start wochit-relay";
      if (at === null) {
        const line = "server.listen leaves the port to the system, so it cannot be asked";
        return runs ? ok(`one is running; ${line}`) : warning(`none is running with ${dataDir}`, start);
      }
      try {
        const answer = await inTime({ clock, ms: PATIENCE, outer }, (signal) => askRelay(at.url, signal));
        if (!runs) {
          const line = `none is running with ${dataDir}, but something answers ${answer.status} at ${at.url.origin}`;
          return warning(line, "is that another relay, or another dataDir? Two cannot have one address");
        }
        const served =
          tls === null
            ? []
            : [
                await judgeServed(
                  await inTime({ clock, ms: PATIENCE, outer }, (signal) => readCertificates(at, signal)),
                  tls.cert,
                ),
              ];
        return [judgeReady(answer, at.url), ...served];
      } catch (error) {
        if (!runs) return warning(`none is running with ${dataDir}`, start);
        return failed(
          `one is running with ${dataDir}, but does not answer at ${at.url.origin}: ${explain(error)}`,
          "is server.listen, or the socket of systemd, the address it was started with? See its log, then restart it",
        );
      }
    },
  };
}

/** Where this machine reaches its own relay; null where only the relay knows. */
function ownAddress({
  server,
}: Pick<Config, "server">): { url: URL; address: string; port: number; name: string } | null {
  const { host, port } = parseListen(server.listen)!;
  if (port === 0) return null;
  // Nobody can connect to "any address"; some systems take it for this machine, others do not.
  const address = host === "0.0.0.0" ? "127.0.0.1" : /^[0:]+$/.test(host) ? "::1" : host;
  const url = new URL(
    `http${server.tls ? "s" : ""}://${isIP(address) === 6 ? `[${address}]` : address}:${port}/readyz`,
  );
  const name = server.publicUrl === null ? address : new URL(server.publicUrl).hostname;
  return { url, address, port, name };
}

function judgeReady({ status, body }: { status: number; body: string }, url: URL): Finding {
  const said = readAnswer(body);
  if (said === null)
    return failed(`something answers at ${url.origin} with ${status}, but no relay`, "see server.listen");
  const reasons = said.reasons.join("; ");
  if (status !== 200) return failed(`it answers ${status}: ${reasons || "not ready"}`, "see its log");
  if (said.degraded) return warning(`it is ready, but degraded: ${reasons}`, "see the other lines, and its log");
  return ok(`one is running, and ready at ${url.origin}`);
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
