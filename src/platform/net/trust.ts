import { createSecureContext, getCACertificates, type SecureContext, setDefaultCACertificates } from "node:tls";

/** PEM texts: authorities to trust on top, and a client certificate with its key; null: none. */
export type TlsOptions = { ca: string | null; cert: string | null; key: string | null };

let isTrusted = false;

/**
 * Makes every TLS connection of the process trust the system's certificate store as well, as curl and browsers do. Both
 * runtimes have authorities of their own, without those that the operator installed. $SSL_CERT_FILE, $SSL_CERT_DIR and
 * $NODE_EXTRA_CA_CERTS are read as usual. Reads the store once, at the first call, in 50 ms.
 */
export function trustSystemStore(): void {
  if (isTrusted) return;
  isTrusted = true;
  try {
    setDefaultCACertificates(trusted([...getCACertificates("default"), ...getCACertificates("system")]));
  } catch {
    // Without a readable store the runtime's own authorities remain.
  }
}

/** One context for all connections of an endpoint, because parsing the authorities takes some 20 ms. */
export function secureContextOf({ ca, cert, key }: TlsOptions): SecureContext {
  trustSystemStore();
  return createSecureContext({
    ...(ca !== null && { ca: trusted([...getCACertificates("default"), ca]) }),
    ...(cert !== null && key !== null && { cert, key }),
  });
}

function trusted(certificates: string[]): string[] {
  return [...new Set(certificates)];
}

/** The other side's certificate is signed by an unknown authority. */
export class UntrustedCertificate extends Error {
  override readonly name = "UntrustedCertificate";
}

/** Verification errors that another trusted authority would resolve (openssl.org, verify(1)). */
const UNTRUSTED = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** Advice, as the end of a sentence. */
export const TRUST_ADVICE = "install its authority in this machine's certificate store and restart the relay";

/**
 * The error with advice for the relay, where the runtime's names its own command line; other errors unchanged. `setting`: the
 * option that names such an authority, too.
 */
export function explainTrust(error: unknown, setting?: string): unknown {
  const { code } = error as { code?: string };
  if (code === undefined || !UNTRUSTED.has(code)) return error;
  const advice = setting === undefined ? TRUST_ADVICE : `${TRUST_ADVICE}, or name its file in ${setting}`;
  return new UntrustedCertificate(`the certificate is not trusted (${code}): ${advice}`, { cause: error });
}
