import { readFile } from "node:fs/promises";
import { readPair, type TlsFiles } from "../../platform/http/tls-files.ts";
import { type Certificate, parseCertificate, readCertificates, type Shown } from "../../platform/net/certificates.ts";
import { type TlsOptions, TRUST_ADVICE } from "../../platform/net/trust.ts";
import type { Clock } from "../../ports.ts";
import { type Finding, failed, inTime, of, ok, type State, warning } from "../probe.ts";
import { adviseTls, explain } from "./errors.ts";

/** Milliseconds for connecting. */
export const CONNECT = 10_000;

const DAY = 86_400_000;

/** Days. Certificates are renewed a month before their end, so one with fewer days left was not renewed. */
const SOON = 21;

/** The codes of the TLS library (openssl.org, verify(1)) in words; others are reported as they are. */
const REFUSALS: Record<string, string> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "it is signed by itself",
  SELF_SIGNED_CERT_IN_CHAIN: "its root authority is not known here",
  UNABLE_TO_GET_ISSUER_CERT: "its issuer is not known here",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its issuer is not known here",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its issuer is not known here, or the server does not send the chain",
  CERT_REVOKED: "it was revoked",
};

/** The host of a URL, an IPv6 address without its brackets. */
export function hostOf(url: string | URL): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, "");
}

/**
 * The certificate of a server, at the address that is the first to show it: a machine without IPv6 cannot reach all of them.
 * `option` has the server's URL, like "the url"; `reach` is the advice where it cannot be reached.
 */
export async function judgeServer(
  url: URL,
  clock: Clock,
  how: { addresses?: string[]; tls?: TlsOptions | null; option: string; reach: string } & Parameters<
    typeof judgeShown
  >[3],
): Promise<Finding> {
  const name = hostOf(url);
  const { addresses = [name], tls = null, option, reach } = how;
  const port = Number(url.port || 443);
  try {
    const shown = await inTime({ clock, ms: CONNECT }, (signal) =>
      Promise.any(addresses.map((address) => readCertificates({ address, port, name, tls }, signal))),
    );
    return judgeShown(shown, name, clock.now(), how);
  } catch (error) {
    const first = error instanceof AggregateError ? error.errors[0] : error;
    return failed(`TLS with ${url.host}: ${explain(first)}`, adviseTls(first, option, reach));
  }
}

/**
 * Judges what a server showed to a client that asked for `name`. `trusts`: whether an unknown issuer matters here; `setting`: the
 * option that can name an authority for it.
 */
export function judgeShown(
  shown: Shown,
  name: string,
  now: number,
  { trusts = true, setting = null }: { trusts?: boolean; setting?: string | null } = {},
): Finding {
  const { chain, isForName, names, refusal } = shown;
  const leaf = chain[0]!;
  // A root is trusted whatever its dates are; those between it and the leaf must be valid.
  const between = chain.slice(1).filter(({ subject, issuer }) => subject !== issuer);
  const old = between.find(({ until }) => until <= now);
  const dates = judgeDates(leaf, now);
  const isInvalid = dates?.state === "failed";
  const wrong: string[] = [];
  if (isInvalid) wrong.push(dates.line);
  if (!isForName) wrong.push(`it is for ${names}, not for ${name}`);
  if (!isInvalid && old) wrong.push(`that of its issuer (${old.subject}) has expired`);
  // An expired certificate is refused for that alone; Deno then names a wrong reason about its issuer.
  if (trusts && refusal !== null && !isInvalid && !(wrong.length > 0 && /EXPIRED|ALTNAME/.test(refusal))) {
    wrong.push(`${REFUSALS[refusal] ?? "it is not trusted"} (${refusal})`);
  }
  if (wrong.length > 0) {
    const isUnknown = /signed by itself|not known here|not trusted/.test(wrong.join());
    const trust = setting === null ? TRUST_ADVICE : `${TRUST_ADVICE}, or name its file in ${setting}`;
    return failed(`the certificate of ${name} is refused: ${wrong.join("; ")}`, isUnknown ? trust : "renew it");
  }
  if (dates !== null) return warning(`the certificate of ${name}: ${dates.line}`, "renew it");
  const days = daysUntil(Math.min(leaf.until, ...between.map(({ until }) => until)), now);
  if (days < SOON) return warning(`an issuer's certificate of ${name} expires in ${days} days`, "renew the chain");
  return ok(`the certificate of ${name} is good for ${days} days`);
}

/** What is wrong with its dates; null: it is valid now, and for long enough. */
function judgeDates({ from, until }: Certificate, now: number): { state: State; line: string } | null {
  if (until <= now) return { state: "failed", line: `it expired ${new Date(until).toISOString().slice(0, 10)}` };
  if (from > now) {
    return { state: "failed", line: `it is not valid before ${new Date(from).toISOString()}` };
  }
  const days = daysUntil(until, now);
  return days < SOON ? { state: "warning", line: `it expires in ${days} ${days === 1 ? "day" : "days"}` } : null;
}

function daysUntil(until: number, now: number): number {
  return Math.floor((until - now) / DAY);
}

/**
 * Certificate and key of the relay's own listener, as they are in their files; throws where the relay could not start with them.
 * `host`: of server.publicUrl.
 */
export async function judgeListener(tls: TlsFiles, host: string | null, now: number): Promise<Finding> {
  const certificate = parseCertificate(readPair(tls).cert);
  const dates = judgeDates(certificate, now);
  if (dates !== null) {
    return { state: dates.state, detail: `${tls.cert}: ${dates.line}`, advice: "renew it, then reload the relay" };
  }
  if (host !== null && !certificate.isFor(host)) {
    return warning(`${tls.cert} is not for ${host}, the host of server.publicUrl`, "get one for that name");
  }
  return ok(`${tls.cert} is good for ${daysUntil(certificate.until, now)} days, and ${tls.key} is its key`);
}

/** Whether a running relay shows the certificate that its file now holds. */
export async function judgeServed(shown: Shown, file: string): Promise<Finding> {
  const { fingerprint } = parseCertificate(await readFile(file));
  const isSame = shown.chain[0]!.fingerprint === fingerprint;
  const finding = isSame
    ? ok("the relay shows the certificate of server.tls.cert")
    : warning(`the relay shows another certificate than ${file} now holds`, "reload it: systemctl reload wochit-relay");
  return of("certificate", finding);
}
