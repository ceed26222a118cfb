type Thrown = { name?: string; code?: string; message?: string };

/**
 * Whether the parser refused the head of an answer. For a bad head with a Content-Length undici reports a body of another
 * length (undici 8, client-h1.js `createError`), though no body was read.
 */
export function refusesHead(error: unknown): boolean {
  const { code } = error as Thrown;
  return isParserError(error) || code === "UND_ERR_HEADERS_OVERFLOW" || code === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH";
}

/** Whether a body violates the framing of HTTP/1.1 (RFC 9112 §7.1), rather than being cut off. */
export function refusesBody(error: unknown): boolean {
  return isParserError(error) && !isEarlyEnd(error);
}

/** Error codes of undici, the system and Node's streams for a lost connection. */
const GONE = new Set([
  "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
  "UND_ERR_SOCKET",
  "ECONNRESET",
  "ERR_STREAM_PREMATURE_CLOSE",
]);

/** Names a lost connection as the cause of a body's error. */
export function nameBodyError(error: unknown, { length, total }: { length: number; total: number | null }): unknown {
  if (!GONE.has((error as Thrown).code ?? "") && !isEarlyEnd(error)) return error;
  return new Error(`the connection broke: ${length}${total === null ? "" : ` of ${total}`} bytes came`, {
    cause: error,
  });
}

function isParserError(error: unknown): boolean {
  return (error as Thrown).name === "HTTPParserError";
}

function isEarlyEnd(error: unknown): boolean {
  return isParserError(error) && /EOF/.test((error as Thrown).message ?? "");
}
