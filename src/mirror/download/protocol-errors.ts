/** What undici throws of an answer that it cannot read. */
type Thrown = { name?: string; code?: string; message?: string };

/**
 * Whether a request was refused for the head of its answer. undici says of any bad head behind a Content-Length that the body
 * has another length (undici 8, client-h1.js `createError`), though no body was read.
 */
export function refusesHead(error: unknown): boolean {
  const { code } = error as Thrown;
  return isParserError(error) || code === "UND_ERR_HEADERS_OVERFLOW" || code === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH";
}

/** Whether a body is not framed as HTTP/1.1 has it (RFC 9112 §7.1), rather than cut off. */
export function refusesBody(error: unknown): boolean {
  return isParserError(error) && !isEarlyEnd(error);
}

/** By these codes undici and the system say that the other side is gone. */
const GONE = new Set(["UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "UND_ERR_SOCKET", "ECONNRESET"]);

/** The error of a body, of which `length` bytes had come, with its true cause. */
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
