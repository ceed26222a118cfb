import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { isIP } from "node:net";
import { connect, type DetailedPeerCertificate, type TLSSocket } from "node:tls";
import { secureContextOf, type TlsOptions } from "./trust.ts";

/** The facts of a certificate. Times are milliseconds since 1970. */
export type Certificate = { subject: string; issuer: string; from: number; until: number; fingerprint: string };

/** What a server showed in a handshake. */
export type Shown = {
  /** The server's own first, then those of its issuers that were sent or are known. */
  chain: Certificate[];
  /** Whether it is for the requested name. */
  isForName: boolean;
  /** The names that it is for. */
  names: string;
  /** The TLS library's code for why it does not trust the chain for this name; null: it does. */
  refusal: string | null;
};

/**
 * The certificates that a server shows at an address, judged as in this runtime's own requests. Sends nothing. Rejects with
 * the network's error, or the signal's reason.
 */
export async function readCertificates(
  { address, port, name, tls }: { address: string; port: number; name: string; tls?: TlsOptions | null },
  signal: AbortSignal,
): Promise<Shown> {
  signal.throwIfAborted();
  const socket = connect({
    host: address,
    port,
    // SNI takes no addresses (RFC 6066, section 3).
    ...(isIP(name) === 0 ? { servername: name } : {}),
    secureContext: secureContextOf(tls ?? { ca: null, cert: null, key: null }),
    // The judgement is read from `authorizationError`, and the connection ends here.
    rejectUnauthorized: false,
  });
  const stop = () => socket.destroy(signal.reason);
  signal.addEventListener("abort", stop);
  const closed = once(socket, "close").then(() => {
    throw new Error("the connection was closed during the TLS handshake");
  });
  try {
    await Promise.race([once(socket, "secureConnect"), closed]);
    return describe(socket, name);
  } finally {
    signal.removeEventListener("abort", stop);
    socket.destroy();
  }
}

function describe(socket: TLSSocket, name: string): Shown {
  const chain = chainOf(socket.getPeerCertificate(true));
  const [leaf] = chain;
  if (leaf === undefined) throw new Error("the server shows no certificate");
  // A code at run time, an Error in the types.
  const error = socket.authorizationError as { code?: string } | string | null | undefined;
  const refusal = error == null ? null : typeof error === "string" ? error : (error.code ?? String(error));
  return {
    chain: chain.map(readCertificate),
    isForName: isFor(leaf, name),
    names: leaf.subjectAltName ?? leaf.subject.replaceAll("\n", ", "),
    refusal,
  };
}

/** Each certificate points to its issuer's, and a root to itself. */
function chainOf(leaf: DetailedPeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  const seen = new Set<string>();
  for (let at: DetailedPeerCertificate | undefined = leaf; at?.raw !== undefined; at = at.issuerCertificate) {
    const certificate = new X509Certificate(at.raw);
    if (seen.has(certificate.fingerprint256)) break;
    seen.add(certificate.fingerprint256);
    chain.push(certificate);
  }
  return chain;
}

/** A certificate in PEM or DER form. Throws where it is none. */
export function parseCertificate(text: Uint8Array | string): Certificate & { isFor(name: string): boolean } {
  const certificate = new X509Certificate(text);
  return { ...readCertificate(certificate), isFor: (name) => isFor(certificate, name) };
}

function readCertificate(certificate: X509Certificate): Certificate {
  return {
    subject: certificate.subject.replaceAll("\n", ", "),
    issuer: certificate.issuer.replaceAll("\n", ", "),
    from: Date.parse(certificate.validFrom),
    until: Date.parse(certificate.validTo),
    fingerprint: certificate.fingerprint256,
  };
}

function isFor(certificate: X509Certificate, name: string): boolean {
  return (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined;
}
