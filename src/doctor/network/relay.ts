import { isIP } from "node:net";
import { type Config, parseListen } from "../../config/schema.ts";
import { askRelay } from "../../platform/net/ask-relay.ts";
import { readCertificates } from "../../platform/net/certificates.ts";
import type { Clock } from "../../ports.ts";
import { type Finding, failed, inTime, ok, START, warning } from "../probe.ts";
import { judgeServed } from "./certificate.ts";
import { explain } from "./errors.ts";

/** Milliseconds. `/readyz` answers within one second. */
const TIMEOUT = 5_000;

/** Whether a relay runs on the data folder, and what it answers about itself. */
export async function judgeRelay(
  { server }: Pick<Config, "server">,
  { dataDir, isRunning }: { dataDir: string; isRunning: boolean },
  clock: Clock,
): Promise<Finding | Finding[]> {
  const at = ownAddress(server);
  const none = `none is running with ${dataDir}`;
  if (at === null) {
    const line = "server.listen leaves the port to the system, so it cannot be asked";
    return isRunning ? ok(`one is running; ${line}`) : warning(none, START);
  }
  const { origin } = at.url;
  try {
    const answer = await inTime({ clock, ms: TIMEOUT }, (signal) => askRelay(at.url, signal));
    if (!isRunning) {
      const line = `${none}, but something answers ${answer.status} at ${origin}`;
      return warning(line, "is that another relay, or another dataDir? Two cannot have one address");
    }
    const ready = judgeReady(answer, origin);
    if (server.tls === null) return ready;
    const shown = await inTime({ clock, ms: TIMEOUT }, (signal) => readCertificates(at, signal));
    return [ready, await judgeServed(shown, server.tls.cert)];
  } catch (error) {
    if (!isRunning) return warning(none, START);
    return failed(
      `one is running with ${dataDir}, but does not answer at ${origin}: ${explain(error)}`,
      "is server.listen, or the socket of systemd, the address it was started with? See its log, then restart it",
    );
  }
}

/** Where this machine reaches its own relay; null: the system chose the port. */
function ownAddress(server: Config["server"]) {
  const { host, port } = parseListen(server.listen)!;
  if (port === 0) return null;
  // Not every system takes a connection to the "any" address for one to itself.
  const address = host === "0.0.0.0" ? "127.0.0.1" : /^[0:]+$/.test(host) ? "::1" : host;
  const authority = `${isIP(address) === 6 ? `[${address}]` : address}:${port}`;
  const url = new URL(`http${server.tls ? "s" : ""}://${authority}/readyz`);
  const name = server.publicUrl === null ? address : new URL(server.publicUrl).hostname;
  return { url, address, port, name };
}

function judgeReady({ status, body }: { status: number; body: string }, origin: string): Finding {
  const answer = readAnswer(body);
  if (answer === null)
    return failed(`something answers at ${origin} with ${status}, but no relay`, "see server.listen");
  const reasons = answer.reasons.join("; ");
  if (status !== 200) return failed(`it answers ${status}: ${reasons || "not ready"}`, "see its log");
  if (answer.degraded) return warning(`it is ready, but degraded: ${reasons}`, "see the other lines, and its log");
  return ok(`one is running, and ready at ${origin}`);
}

/** Null: a relay answers otherwise. */
function readAnswer(body: string): { degraded: boolean; reasons: string[] } | null {
  try {
    const { status, degraded = false, reasons = [] } = JSON.parse(body);
    return typeof status === "string" && Array.isArray(reasons) ? { degraded, reasons } : null;
  } catch {
    return null;
  }
}
