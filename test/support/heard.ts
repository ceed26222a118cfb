import process from "node:process";
import { afterEach } from "node:test";

/** The last lines of what a program or a relay has written so far. */
type Source = { name: string; lines(): string[] };

/** The end of a long log is what is read: of each failure it has so much at most. */
const [SOURCES, LINES, LONGEST] = [4, 12, 240];

const sources: Source[] = [];

/**
 * Notes what writes: where a test fails, its last lines are shown with the error, so that a failure that comes once in a
 * thousand runs can be understood. Returns what forgets it, once it has ended well.
 */
export function hear(name: string, lines: () => string[]): () => void {
  const source = { name, lines };
  sources.push(source);
  if (sources.length > 4 * SOURCES) sources.shift();
  return () => {
    const at = sources.indexOf(source);
    if (at >= 0) sources.splice(at, 1);
  };
}

/** What was written of late, by what has written last; "" where nothing was. */
export function heard(): string {
  return sources
    .map(({ name, lines }) => ({ name, lines: lines().slice(-LINES) }))
    .filter(({ lines }) => lines.length > 0)
    .slice(-SOURCES)
    .map(({ name, lines }) => `\n${name} wrote:${lines.map((line) => `\n  ${line.slice(0, LONGEST)}`).join("")}`)
    .join("");
}

/** A test as Node passes it to a hook. Deno does not say how it went. */
type Ended = { error?: { cause?: unknown } | null };

// Scripts import what tests do, and run no tests.
if (process.env.NODE_TEST_CONTEXT !== undefined)
  afterEach((ended) => {
    const error = (ended as Ended).error?.cause;
    if (error instanceof Error && !error.stack?.includes(" wrote:\n")) error.stack += heard();
  });
