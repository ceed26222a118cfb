/** Where a request stands in a distributed trace (W3C Trace Context): what its traceparent and tracestate headers say. */
export type Trace = {
  /** The id of the trace, 32 hexadecimal digits, and of the span that sent the request, 16. */
  id: string;
  parent: string;
  /** Two hexadecimal digits: sampled, and whether the id is random. */
  flags: string;
  /** The tracestate, as it came; null: there is none, or none that is valid. */
  state: string | null;
};

// W3C Trace Context, https://www.w3.org/TR/trace-context-2/

/** traceparent of version 00; a later version may have more after it. */
const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZEROS = /^0+$/;

/** Flags that are known: sampled, random id. */
const FLAGS = 0x03;

/** The longest tracestate that has to be passed on, in characters, and the most members of one. */
const LONGEST_STATE = 512;
const MOST_MEMBERS = 32;

/** One member of a tracestate: key=value. */
const MEMBER = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** The trace that the headers of a request name; null: none, or none that is valid. */
export function readTrace({ traceparent, tracestate }: Record<string, unknown>): Trace | null {
  if (typeof traceparent !== "string") return null;
  const [, version, id, parent, flags, more] = PARENT.exec(traceparent.trim()) ?? [];
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) return null;
  if (ZEROS.test(id!) || ZEROS.test(parent!)) return null;
  const known = (Number.parseInt(flags!, 16) & FLAGS).toString(16).padStart(2, "0");
  return { id: id!, parent: parent!, flags: known, state: readState(tracestate) };
}

function readState(given: unknown): string | null {
  if (typeof given !== "string" || given.length > LONGEST_STATE) return null;
  const members = given
    .split(",")
    .map((member) => member.trim())
    .filter((member) => member !== "");
  const isValid = members.length > 0 && members.length <= MOST_MEMBERS && members.every((each) => MEMBER.test(each));
  return isValid ? members.join(",") : null;
}

/** The headers of a request that goes on in the trace, as span `span`: 16 hexadecimal digits. */
export function traceHeaders({ id, flags, state }: Trace, span: string): Record<string, string> {
  return { traceparent: `00-${id}-${span}-${flags}`, ...(state !== null && { tracestate: state }) };
}

/** A trace as one text, to be kept: the lines of its headers. */
export function packTrace(trace: Trace): string {
  const { traceparent, tracestate } = traceHeaders(trace, trace.parent);
  return tracestate === undefined ? traceparent! : `${traceparent}\n${tracestate}`;
}

export function unpackTrace(text: string): Trace | null {
  const [traceparent, tracestate] = text.split("\n");
  return readTrace({ traceparent, tracestate });
}
