import { isIP } from "node:net";
import type { Endpoint } from "../../config/schema.ts";
import { errorLine } from "../../errors.ts";
import { readCertificates } from "../../platform/net/certificates.ts";
import { openGuard, openOutbound } from "../../platform/net/outbound.ts";
import type { Clock } from "../../ports.ts";
import { type Finding, failed, inTime, of, ok, type Probe, warning } from "../probe.ts";
import { judgeShown } from "./certificate.ts";
import type { Dates } from "./clock.ts";
import { adviseTls, explain } from "./errors.ts";

/** Milliseconds for the name server, and for connecting. */
const LOOKUP = 10_000;
const CONNECT = 10_000;

const REACH = "check that it runs, and the way to it";

type Address = { address: string; family: number };
type Given = {
  clock: Clock;
  userAgent: string;
  resolve(hostname: string): Promise<Address[]>;
  dates: Dates;
};

/**
 * One for each endpoint: what its name resolves to and what the guard says of that, the certificate it shows there, and what it
 * answers to a HEAD. Nothing is sent to it that it could take for an event.
 */
export function endpointProbes(endpoints: Endpoint[], given: Given): Probe[] {
  return endpoints.map((endpoint, at) => ({
    name: `endpoint.${endpoint.id}`,
    // Its steps have limits.
    patience: null,
    async run(signal, tell) {
      const url = new URL(endpoint.url);
      tell("address");
      const { finding, addresses } = await lookUp(endpoint, at, url, given, signal);
      const findings = [of("address", finding)];
      if (addresses.length === 0) return findings;
      if (url.protocol === "https:") {
        tell("certificate");
        const judged = await judgeCertificate(endpoint, at, url, addresses, given, signal);
        findings.push(of("certificate", judged));
        // It would fail for the same reason.
        if (judged.state === "failed") return findings;
      }
      tell("answer");
      findings.push(of("answer", await ask(endpoint, url, addresses, given, signal)));
      return findings;
    },
  }));
}

async function lookUp(
  { id, allowPrivateAddresses }: Endpoint,
  at: number,
  url: URL,
  { clock, resolve }: Given,
  outer: AbortSignal,
): Promise<{ finding: Finding; addresses: Address[] }> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  let found: Address[];
  try {
    const literal = isIP(host);
    found =
      literal === 0
        ? await inTime({ clock, ms: LOOKUP, outer }, () => resolve(host))
        : [{ address: host, family: literal }];
  } catch (error) {
    const { code } = error as { code?: string };
    const line =
      code === "ENOTFOUND" ? `nobody knows the name ${host}` : `${host} cannot be looked up: ${errorLine(error)}`;
    return { finding: failed(line, `check the url of endpoint ${id}, and this machine's name server`), addresses: [] };
  }
  const guard = openGuard(allowPrivateAddresses);
  const judged = found.map((one) => ({ ...one, refusal: guard(url.hostname, one.address) }));
  const allowed = judged.filter(({ refusal }) => refusal === null);
  const refused = judged.filter(({ refusal }) => refusal !== null);
  const said = refused.map(({ address, refusal }) => `${address} is ${refusal}`).join(", ");
  const advice = /metadata/.test(said)
    ? "nothing may be sent there: check the url"
    : `name it in endpoints[${at}].allowPrivateAddresses if it is meant`;
  if (allowed.length === 0) return { finding: failed(`${said || host}: not allowed`, advice), addresses: [] };
  const list = allowed.map(({ address }) => address).join(", ");
  const name = isIP(host) === 0 ? `${host} is ` : "";
  if (refused.length === 0) return { finding: ok(`${name}${list}`), addresses: allowed };
  return { finding: warning(`${name}${list}; not allowed: ${said}`, advice), addresses: allowed };
}

/** Of whichever address is the first to show it: a machine without IPv6 has no way to half of them. */
async function judgeCertificate(
  { tls }: Endpoint,
  at: number,
  url: URL,
  addresses: Address[],
  { clock }: Given,
  outer: AbortSignal,
): Promise<Finding> {
  const name = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? 443 : Number(url.port);
  try {
    const shown = await inTime({ clock, ms: CONNECT, outer }, (signal) =>
      Promise.any(addresses.map(({ address }) => readCertificates({ address, port, name, tls }, signal))),
    );
    return judgeShown(shown, name, clock.now(), { setting: `endpoints[${at}].tls.ca` });
  } catch (error) {
    const first = error instanceof AggregateError ? error.errors[0] : error;
    return failed(`TLS with ${name}:${port}: ${explain(first)}`, adviseTls(first, "the url", REACH));
  }
}

async function ask(
  { headers, timeout, id, tls }: Endpoint,
  url: URL,
  addresses: Address[],
  { clock, userAgent, dates }: Given,
  outer: AbortSignal,
): Promise<Finding> {
  // Only to where the guard of this endpoint lets it; it is asked again at the connect.
  const outbound = openOutbound({
    allowPrivateAddresses: addresses.map(({ address }) => address),
    connectTimeout: Math.min(CONNECT, timeout),
    tls,
    resolve: async () => addresses,
  });
  const sent = clock.now();
  const begun = clock.elapsed();
  try {
    const { status, headers: said } = await inTime({ clock, ms: timeout, outer }, async (signal) => {
      const wait = { headersTimeout: timeout, bodyTimeout: timeout, signal };
      const answer = await outbound.request(url, {
        method: "HEAD",
        headers: { ...headers, "user-agent": userAgent },
        ...wait,
      });
      answer.body.destroy();
      return answer;
    });
    const ms = Math.round(clock.elapsed() - begun);
    if (typeof said.date === "string")
      dates.push({ source: `endpoint ${id}`, date: said.date, sent, received: clock.now() });
    return judgeAnswer(status, ms, id);
  } catch (error) {
    return failed(`${url.host}: ${explain(error)}`, REACH);
  } finally {
    await outbound.close();
  }
}

/** Of a HEAD, which most apps have no answer to: that it answers at all is what counts. */
function judgeAnswer(status: number, ms: number, id: string): Finding {
  const said = `answers a HEAD with ${status} after ${ms} ms`;
  if (status >= 500 && status !== 501) return warning(said, "see the app's own log");
  if (status >= 300 && status < 400) {
    return warning(`${said}: if a POST is redirected too, it fails`, "put the final address into its url");
  }
  if (status === 401 || status === 403) {
    return warning(
      `${said}: rightly, if that is for want of a signature, which a HEAD has none of`,
      `wochit-relay deliveries list --endpoint ${id} tells what came of those that are signed`,
    );
  }
  return ok(said);
}
