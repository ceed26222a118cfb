/**
 * What the contract says of a body, worked out without the relay's own code ("Public listener", "Usable id"): the id of an
 * event that must be taken, or the code with which it must be refused.
 */
export function judgeBody(body: Uint8Array): { id: string } | { code: "invalid_json" | "invalid_event" } {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    value = JSON.parse(text);
  } catch {
    return { code: "invalid_json" };
  }
  if (Object.prototype.toString.call(value) !== "[object Object]") return { code: "invalid_event" };
  // Through entries: they are the object's own, whatever their names.
  const id = Object.entries(value as object).findLast(([name]) => name === "wochitVideoId")?.[1];
  return typeof id === "string" && isUsable(id) ? { id } : { code: "invalid_event" };
}

function isUsable(id: string): boolean {
  if (id === "" || Buffer.from(id).length > 256) return false;
  for (const character of id) {
    const code = character.codePointAt(0)!;
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0xd800 && code <= 0xdfff)) return false;
  }
  return true;
}

/** The codes that an error answer may have, by status. */
const CODES: Record<number, string[]> = {
  400: ["invalid_json", "invalid_event", "bad_request"],
  403: ["source_not_allowed"],
  404: ["not_found"],
  405: ["method_not_allowed"],
  408: ["request_timeout"],
  413: ["body_too_large"],
  431: ["headers_too_large"],
};

export type Reply = { status: number; headers: Map<string, string>; body: Buffer };

/** Why an answer is not as documented, whatever was asked; null: it is. */
export function judgeReply(reply: Reply, method: string): string | null {
  const { status, headers, body } = reply;
  if (status >= 500) return `a ${status}: ${body.toString().slice(0, 200)}`;
  const type = headers.get("content-type") ?? "";
  if (status === 200) return null;
  // A preflight, which only /media has (CORS).
  if (status === 204 && method === "OPTIONS") return body.length === 0 ? null : "a body in a 204";
  const codes = CODES[status];
  if (codes === undefined) return `a status that is not documented: ${status}`;
  if (status === 405 && headers.get("allow") === undefined) return "a 405 without Allow";
  if (method === "HEAD" && status !== 400) return body.length === 0 ? null : "a body in the answer to HEAD";
  if (!type.startsWith("application/json")) return `a ${status} of type "${type}": ${body.toString().slice(0, 200)}`;
  let error: { code?: unknown; message?: unknown } | undefined;
  try {
    error = JSON.parse(body.toString()).error;
  } catch {
    return `a ${status} that is not JSON: ${body.toString().slice(0, 200)}`;
  }
  if (typeof error?.code !== "string" || !codes.includes(error.code)) return `a ${status} with the code ${error?.code}`;
  if (typeof error.message !== "string" || error.message === "" || /[\r\n]/.test(error.message))
    return `a ${status} whose message is not one line: ${JSON.stringify(error.message)}`;
  if (/node:|\/src\/|\bat .*:\d+:\d+/.test(body.toString()))
    return `a ${status} that tells of the inside: ${error.message}`;
  return null;
}
