import * as v from "valibot";
import { addIssue, collectProblems, findShapeProblems, type Shape } from "../config/problems.ts";
import { type ErrorCode, RelayError } from "../errors.ts";
import type { Schema } from "./operation.ts";

/** A request that does not fit its schema. `details` has each problem with its place. */
export class Misfit extends RelayError {
  readonly details: { path: string; message: string }[];
  constructor(code: ErrorCode, details: { path: string; message: string }[]) {
    const [first] = details;
    super(code, first === undefined || first.path === "" ? (first?.message ?? "") : `${first.path}: ${first.message}`);
    this.details = details;
  }
}

/** One problem. */
export const misfit = (code: ErrorCode, path: string, message: string) => new Misfit(code, [{ path, message }]);

/** Problems that an answer names. */
const MOST_PROBLEMS = 100;

/** Of a list with more members than any has here, only the first problem is looked for: while a million are, nothing else is done. */
const LONG_LIST = 1_000;

const isLong = (given: unknown): boolean =>
  typeof given === "object" &&
  given !== null &&
  Object.values(given).some((value) => Array.isArray(value) && value.length > LONG_LIST);

/** What a schema makes of a value; a Misfit with this code where it does not fit. Unknown members are problems, too. */
export function check<Output>(schema: Schema<Output>, given: unknown, code: ErrorCode): Output {
  const problems = collectProblems(MOST_PROBLEMS);
  findShapeProblems(schema as unknown as Shape, given, [], problems);
  const parsed = v.safeParse(schema, given, { abortEarly: isLong(given) });
  for (const issue of parsed.issues?.slice(0, MOST_PROBLEMS) ?? []) addIssue(problems, issue);
  const details = problems.all();
  if (details.length > 0 || !parsed.success) throw new Misfit(code, details);
  return parsed.output;
}

/** The parameters of a query as an object; a Misfit where one is given twice. */
export function membersOf(params: URLSearchParams): Record<string, string> {
  const names = [...params.keys()];
  const twice = names.filter((name, at) => names.indexOf(name) !== at);
  const details = [...new Set(twice)].map((path) => ({ path, message: "is given more than once" }));
  if (details.length > 0) throw new Misfit("invalid_query", details);
  return Object.fromEntries(params);
}

/** The largest body, in bytes: a thousand mappings with long names. */
export const MOST_BYTES = 2 ** 20;

/**
 * The JSON of a request's body; {} without one. RelayError("body_too_large" or "invalid_json"). The content type is not
 * judged.
 */
export async function readJson(body: ReadableStream<Uint8Array> | null): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new RelayError("body_too_large", `a body here has at most ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  if (bytes === 0) return {};
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks)));
  } catch {
    throw new RelayError("invalid_json", "the body is not JSON");
  }
}
