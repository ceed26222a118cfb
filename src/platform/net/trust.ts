import { createSecureContext, getCACertificates, type SecureContext, setDefaultCACertificates } from "node:tls";

/** PEM texts: authorities to trust on top, and a client certificate with its key; null: none. */
export type TlsOptions = { ca: string | null; cert: string | null; key: string | null };

let isTrusted = false;

/**
 * From now on every TLS connection of the process trusts the system's certificate store as well: what curl, or a browser,
 * of this machine trusts. Both runtimes bring authorities of their own and leave out those that an operator installed;
 * $SSL_CERT_FILE, $SSL_CERT_DIR and $NODE_EXTRA_CA_CERTS are read as usual. Reads the store once, at the first call: 50 ms.
 */
export function trustSystemStore(): void {
  if (isTrusted) return;
  isTrusted = true;
  try {
    setDefaultCACertificates(trusted([...getCACertificates("default"), ...getCACertificates("system")]));
  } catch {
    // A store that cannot be read leaves the runtime's own authorities.
  }
}

/** What one end trusts and shows. Parsing the authorities takes some 20 ms: one context serves all of its connections. */
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

/** An authority that is not known here has signed the other side's certificate. */
export class UntrustedCertificate extends Error {
  override readonly name = "UntrustedCertificate";
}

/** Verification errors that another authority in the store would mend (openssl.org, verify(1)). */
const UNTRUSTED = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** What an operator can do about it, as the end of a sentence. */
export const TRUST_ADVICE = "install its authority in this machine's certificate store and restart the relay";

/** The error in words that help here: the runtime's name its own command line. Others are given back. */
export function explainTrust(error: unknown): unknown {
  const { code } = error as { code?: string };
  if (code === undefined || !UNTRUSTED.has(code)) return error;
  return new UntrustedCertificate(`the certificate is not trusted (${code}): ${TRUST_ADVICE}`, { cause: error });
}
