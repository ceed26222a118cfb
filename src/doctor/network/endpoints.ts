import { isIP } from "node:net";
import type { Endpoint } from "../../config/schema.ts";
import { codeOf, errorLine } from "../../errors.ts";
import { openGuard, openOutbound, type Resolve } from "../../platform/net/outbound.ts";
import type { Clock } from "../../ports.ts";
import { type Finding, failed, inTime, of, ok, warning } from "../probe.ts";
import { CONNECT, hostOf, judgeServer } from "./certificate.ts";
import type { Dates } from "./clock.ts";
import { explain } from "./errors.ts";

/** Milliseconds for the name server. */
const LOOKUP = 10_000;

const REACH = "check that it runs, and the way to it";

type Addresses = Awaited<ReturnType<Resolve>>;
type Given = { clock: Clock; userAgent: string; resolve: Resolve; dates: Dates };

/**
 * What an endpoint's name resolves to and which of that is allowed, the certificate that it shows there, and its answer to a HEAD.
 * Nothing is sent that it could take for an event. `option`: its place in the config.
 */
export async function judgeEndpoint(
  endpoint: Endpoint,
  option: string,
  { clock, userAgent, resolve, dates }: Given,
  progress: (how: string) => void,
): Promise<Finding[]> {
  const { id, headers, timeout, tls, allowPrivateAddresses } = endpoint;
  const url = new URL(endpoint.url);
  const host = hostOf(endpoint.url);

  async function findAddresses(): Promise<{ finding: Finding; addresses: Addresses }> {
    const none = (detail: string, advice: string) => ({ finding: failed(detail, advice), addresses: [] });
    const family = isIP(host);
    let found: Addresses;
    try {
      found = family ? [{ address: host, family }] : await inTime({ clock, ms: LOOKUP }, () => resolve(host));
    } catch (error) {
      const isUnknown = codeOf(error) === "ENOTFOUND";
      const line = isUnknown ? `the name ${host} does not exist` : `${host} cannot be looked up: ${errorLine(error)}`;
      return none(line, `check the url of endpoint ${id}, and this machine's name server`);
    }
    const guard = openGuard(allowPrivateAddresses);
    const judged = found.map((one) => ({ ...one, refusal: guard(url.hostname, one.address) }));
    const addresses = judged.filter(({ refusal }) => refusal === null);
    const refused = judged.filter(({ refusal }) => refusal !== null);
    const said = refused.map(({ address, refusal }) => `${address} is ${refusal}`).join(", ");
    const advice = /metadata/.test(said)
      ? "nothing may be sent there: check the url"
      : `name it in ${option}.allowPrivateAddresses if it is meant`;
    if (addresses.length === 0) return none(`${said || host}: not allowed`, advice);
    const list = `${family ? "" : `${host} is `}${addresses.map(({ address }) => address).join(", ")}`;
    return { finding: said === "" ? ok(list) : warning(`${list}; not allowed: ${said}`, advice), addresses };
  }

  async function judgeAnswer(addresses: Addresses): Promise<Finding> {
    // Only the addresses that this endpoint's options allow; they are checked again at the connection.
    const outbound = openOutbound({
      allowPrivateAddresses: addresses.map(({ address }) => address),
      connectTimeout: Math.min(CONNECT, timeout),
      tls,
      resolve: async () => addresses,
    });
    const sent = clock.now();
    const begun = clock.elapsed();
    try {
      const { status, date } = await inTime({ clock, ms: timeout }, async (signal) => {
        const limits = { signal, headersTimeout: timeout, bodyTimeout: timeout };
        const sentHeaders = { ...headers, "user-agent": userAgent };
        const { body, ...answer } = await outbound.request(url, { method: "HEAD", headers: sentHeaders, ...limits });
        body.destroy();
        return { status: answer.status, date: answer.headers.date };
      });
      if (typeof date === "string") dates.push({ source: `endpoint ${id}`, date, sent, received: clock.now() });
      return judgeStatus(status, Math.round(clock.elapsed() - begun), id);
    } catch (error) {
      return failed(`${url.host}: ${explain(error)}`, REACH);
    } finally {
      await outbound.close();
    }
  }

  progress("address");
  const { finding, addresses } = await findAddresses();
  const findings = [of("address", finding)];
  if (addresses.length === 0) return findings;
  if (url.protocol === "https:") {
    progress("certificate");
    const where = { addresses: addresses.map(({ address }) => address), tls, setting: `${option}.tls.ca` };
    const judged = await judgeServer(url, clock, { ...where, option: "the url", reach: REACH });
    findings.push(of("certificate", judged));
    // The request would fail for the same reason.
    if (judged.state === "failed") return findings;
  }
  progress("answer");
  return [...findings, of("answer", await judgeAnswer(addresses))];
}

/** The status of a HEAD, which most apps do not serve: any answer shows that the app is reached. */
function judgeStatus(status: number, ms: number, id: string): Finding {
  const said = `answers a HEAD with ${status} after ${ms} ms`;
  if (status >= 500 && status !== 501) return warning(said, "see the app's own log");
  if (status >= 300 && status < 400) {
    return warning(`${said}: if a POST is redirected too, it fails`, "put the final address into its url");
  }
  if (status !== 401 && status !== 403) return ok(said);
  return warning(
    `${said}: expected where the app wants a signature, which a HEAD does not have`,
    `wochit-relay deliveries list --endpoint ${id} shows the answers to signed requests`,
  );
}
