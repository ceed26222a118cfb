import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { errorLine, RelayError } from "../../errors.ts";
import { readPlainFile } from "../files/plain-file.ts";

/** Paths of PEM files: a certificate with its chain, and its key. */
export type TlsFiles = { cert: string; key: string };

/** Certificate chain and key, which belong together. */
export type TlsPair = { cert: Buffer; key: Buffer };

const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Reads a listener's certificate and key. RelayError("config") as of `readPair`, after the option's name. */
export function readTls(files: TlsFiles, option = "server.tls"): TlsPair {
  try {
    return readPair(files);
  } catch (error) {
    throw refused(`${option}: ${errorLine(error)}`);
  }
}

/**
 * Reads certificate and key. RelayError("config") where a file cannot be read or is no PEM, the key has a password, or they
 * do not belong together.
 */
export function readPair({ cert, key }: TlsFiles): TlsPair {
  const pair = { cert: read(cert), key: read(key) };
  const own = checkCertificates(cert, pair.cert);
  const isLocked = /-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(pair.key.toString("latin1"));
  if (isLocked)
    throw refused(`${key} is encrypted with a password, which the relay cannot enter: remove it with openssl pkey`);
  const secret = parse(() => createPrivateKey(pair.key), `${key} holds no private key in PEM form`);
  if (!own.checkPrivateKey(secret)) {
    throw refused(`${key} is not the key of ${cert}, whose first certificate must be the one of this side`);
  }
  try {
    // Keys that are too weak would throw later.
    createSecureContext(pair);
  } catch (error) {
    const { reason } = error as { reason?: string };
    throw refused(`${cert} and ${key} cannot be used: ${reason ?? errorLine(error)}`);
  }
  return pair;
}

/** Reads certificates of authorities. RelayError("config") where the file cannot be read, or a certificate is broken. */
export function readAuthorities(path: string): string {
  const text = read(path);
  checkCertificates(path, text);
  return text.toString("latin1");
}

/** The first certificate of a file; RelayError("config") where there is none, or one is broken. */
function checkCertificates(path: string, text: Buffer): X509Certificate {
  const all = text.toString("latin1").match(PEM) ?? [];
  const [first] = all.map((one, at) =>
    parse(() => new X509Certificate(one), `${path}: certificate ${at + 1} is broken`),
  );
  if (first === undefined) throw refused(`${path} holds no certificate in PEM form`);
  return first;
}

function read(path: string): Buffer {
  try {
    return readPlainFile(path);
  } catch (error) {
    throw refused(`cannot read ${path}: ${errorLine(error)}`);
  }
}

/** Replaces the errors of the TLS library, which do not help an operator. */
function parse<T>(run: () => T, problem: string): T {
  try {
    return run();
  } catch {
    throw refused(problem);
  }
}

function refused(problem: string): RelayError {
  return new RelayError("config", problem);
}
