import { askReadiness, localOrigin, type Readiness } from "../../actions/relay/ready.ts";
import type { Config } from "../../config/schema.ts";
import { readCertificates } from "../../platform/net/certificates.ts";
import type { Clock } from "../../ports.ts";
import { type Finding, failed, inTime, ok, START, warning } from "../probe.ts";
import { judgeServed } from "./certificate.ts";
import { explain } from "./errors.ts";

/** Milliseconds. `/readyz` answers within one second. */
const TIMEOUT = 5_000;

/** Whether a relay runs on the data folder, and what it answers about itself. `noted`: the origin that it says it listens on. */
export async function judgeRelay(
  { server }: Pick<Config, "server">,
  { dataDir, isRunning, noted }: { dataDir: string; isRunning: boolean; noted: URL | null },
  clock: Clock,
): Promise<Finding | Finding[]> {
  const url = localOrigin(server) ?? noted;
  const none = `none is running with ${dataDir}`;
  if (url === null) {
    const line = "server.listen leaves the port to the system, so it cannot be asked";
    return isRunning ? ok(`one is running; ${line}`) : warning(none, START);
  }
  const { origin } = url;
  try {
    const answer = await inTime({ clock, ms: TIMEOUT }, (signal) => askReadiness(url, signal));
    if (!isRunning) {
      const line = `${none}, but something answers ${answer.status} at ${origin}`;
      return warning(line, "is that another relay, or another dataDir? Two cannot have one address");
    }
    const ready = judgeReady(answer, origin);
    if (server.tls === null) return ready;
    const at = certificateAt(url, server.publicUrl);
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

/** Where a relay's certificate is read, and the name that it is to be for. */
function certificateAt({ hostname, port }: URL, publicUrl: string | null) {
  const address = hostname.replace(/^\[|\]$/g, "");
  return { address, port: Number(port || 443), name: publicUrl === null ? address : new URL(publicUrl).hostname };
}

function judgeReady({ status, said }: Readiness, origin: string): Finding {
  if (said === null) return failed(`something answers at ${origin} with ${status}, but no relay`, "see server.listen");
  const reasons = said.reasons.join("; ");
  if (status !== 200) return failed(`it answers ${status}: ${reasons || "not ready"}`, "see its log");
  if (said.degraded) return warning(`it is ready, but degraded: ${reasons}`, "see the other lines, and its log");
  return ok(`one is running, and ready at ${origin}`);
}
