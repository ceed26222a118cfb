import { errorLine } from "../../errors.ts";

const WORDS: Record<string, string> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the connection was broken off",
  EHOSTUNREACH: "there is no way to it",
  ENETUNREACH: "there is no way to it",
  UND_ERR_CONNECT_TIMEOUT: "it takes no connection in time",
  UND_ERR_HEADERS_TIMEOUT: "it takes too long",
};

/** OpenSSL's reasons for an answer that is not TLS: it reads the first bytes of an HTTP answer as a version or a length. */
const NO_TLS = new Set(["wrong version number", "packet length too long", "data length too long"]);

/** "407CF1…:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:…" (openssl.org, ERR_error_string(3)) */
const OPENSSL = /:error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)/;

/** A network error in words, with its code to search for. */
export function explain(error: unknown): string {
  const reason = tlsReason(error);
  if (reason !== null) return NO_TLS.has(reason) ? "it does not speak TLS" : `the TLS handshake failed: ${reason}`;
  const { code } = error as { code?: string };
  const words = code === undefined ? undefined : WORDS[code];
  return words === undefined ? errorLine(error) : `${words} (${code})`;
}

/** The advice for a failed TLS connection. `setting` is the option with its address, like "the url". */
export function adviseTls(error: unknown, setting: string, otherwise: string): string {
  return NO_TLS.has(tlsReason(error) ?? "") ? `is ${setting} meant to be http, not https?` : otherwise;
}

/** OpenSSL's short reason; null: the error is not one of TLS. */
function tlsReason(error: unknown): string | null {
  const { code, message } = error as { code?: string; message?: string };
  if (code?.startsWith("ERR_SSL_")) return code.slice("ERR_SSL_".length).toLowerCase().replaceAll("_", " ");
  return OPENSSL.exec(message ?? "")?.[1] ?? null;
}
