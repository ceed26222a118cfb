import { readFile } from "node:fs/promises";
import { type Certificate, isKeyOf, parseCertificate, type Shown } from "../../platform/net/certificates.ts";
import { TRUST_ADVICE } from "../../platform/net/trust.ts";
import { type Finding, failed, of, ok, type Probe, warning } from "../probe.ts";

const DAY = 86_400_000;

/** Days; authorities renew theirs a month before, so one that comes so near was not renewed. */
const SOON = 21;

/** What the library's words mean (openssl.org, verify(1)); others are told as they are. */
const REFUSALS: Record<string, string> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "it is signed by itself",
  SELF_SIGNED_CERT_IN_CHAIN: "its root authority is not known here",
  UNABLE_TO_GET_ISSUER_CERT: "its issuer is not known here",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its issuer is not known here",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its issuer is not known here, or the server does not send the chain",
  CERT_REVOKED: "it was revoked",
};

/**
 * The finding about what a server showed to somebody who wanted to talk to `name`. `trusts`: whether that matters here;
 * `setting`: the option that can name an authority for it.
 */
export function judgeShown(
  shown: Shown,
  name: string,
  now: number,
  { trusts = true, setting = null }: { trusts?: boolean; setting?: string | null } = {},
): Finding {
  const { chain, isForName, names, refusal } = shown;
  const leaf = chain[0]!;
  // A root is trusted for what it is; what stands between it and the server's own may well run out.
  const between = chain.slice(1).filter(({ subject, issuer }) => subject !== issuer);
  const old = between.find(({ until }) => until <= now);
  const dates = judgeDates(leaf, now);
  const isOver = dates !== null && !dates.isWarning;
  const wrong: string[] = [];
  if (isOver) wrong.push(dates.line);
  if (!isForName) wrong.push(`it is for ${names}, not for ${name}`);
  if (!isOver && old) wrong.push(`that of its issuer (${old.subject}) has expired`);
  // One that is over is refused for that alone; Deno then says of its issuer what is not so.
  if (trusts && refusal !== null && !isOver && !(wrong.length > 0 && /EXPIRED|ALTNAME/.test(refusal))) {
    wrong.push(`${REFUSALS[refusal] ?? "it is not trusted"} (${refusal})`);
  }
  if (wrong.length > 0)
    return failed(`the certificate of ${name} is refused: ${wrong.join("; ")}`, adviceFor(wrong, setting));
  if (dates !== null) return warning(`the certificate of ${name}: ${dates.line}`, "renew it");
  const next = [leaf, ...between].toSorted((one, other) => one.until - other.until)[0]!;
  const days = daysUntil(next, now);
  if (days < SOON) return warning(`an issuer's certificate of ${name} expires in ${days} days`, "renew the chain");
  return ok(`the certificate of ${name} is good for ${days} days`);
}

function adviceFor(wrong: string[], setting: string | null): string {
  if (!/signed by itself|not known here|not trusted/.test(wrong.join())) return "renew it";
  return setting === null ? TRUST_ADVICE : `${TRUST_ADVICE}, or name its file in ${setting}`;
}

function judgeDates(certificate: Certificate, now: number): { line: string; isWarning: boolean } | null {
  const { from, until } = certificate;
  if (until <= now) return { line: `it expired ${new Date(until).toISOString().slice(0, 10)}`, isWarning: false };
  if (from > now) {
    return { line: `it is good from ${new Date(from).toISOString()} on, which is to come`, isWarning: false };
  }
  const days = daysUntil(certificate, now);
  return days < SOON ? { line: `it expires in ${days} ${days === 1 ? "day" : "days"}`, isWarning: true } : null;
}

function daysUntil({ until }: Certificate, now: number): number {
  return Math.floor((until - now) / DAY);
}

/** Certificate and key of the relay's own listener, as they are in their files. */
export function listenerProbe(options: {
  tls: { cert: string; key: string };
  /** The host that apps and the provider know it by; null: none is configured. */
  host: string | null;
  now(): number;
}): Probe {
  const { tls, host, now } = options;
  return {
    name: "listener.certificate",
    patience: 10_000,
    async run() {
      const [cert, key] = await Promise.all([readFile(tls.cert), readFile(tls.key)]);
      let certificate: ReturnType<typeof parseCertificate>;
      try {
        certificate = parseCertificate(cert);
      } catch {
        return failed(`${tls.cert} holds no certificate in PEM form`);
      }
      try {
        if (!isKeyOf(cert, key)) {
          return failed(
            `${tls.key} is not the key of ${tls.cert}`,
            "the server's own certificate must come first in it",
          );
        }
      } catch {
        return failed(`${tls.key} holds no private key in PEM form that can be read without a password`);
      }
      const dates = judgeDates(certificate, now());
      if (dates !== null) {
        const line = `${tls.cert}: ${dates.line}`;
        return dates.isWarning ? warning(line, "renew it, then reload the relay") : failed(line, "renew it");
      }
      if (host !== null && !certificate.isFor(host)) {
        return warning(`${tls.cert} is not for ${host}, the host of server.publicUrl`, "get one for that name");
      }
      return ok(`${tls.cert} is good for ${daysUntil(certificate, now())} days, and ${tls.key} is its key`);
    },
  };
}

/** Whether a running relay shows the certificate that its file holds by now. */
export async function judgeServed(shown: Shown, file: string): Promise<Finding> {
  const { fingerprint } = parseCertificate(await readFile(file));
  return of(
    "certificate",
    shown.chain[0]!.fingerprint === fingerprint
      ? ok("the relay shows the certificate of server.tls.cert")
      : warning(
          `the relay shows another certificate than ${file} holds by now`,
          "reload it: systemctl reload wochit-relay",
        ),
  );
}
