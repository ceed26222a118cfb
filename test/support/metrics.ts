import type { Metrics } from "../../src/ports.ts";

/** A port of metrics that remembers what was reported: the name of each call, and its arguments. */
export function testMetrics(): Metrics & { reported: unknown[][] } {
  const reported: unknown[][] = [];
  const report =
    (name: string) =>
    (...args: unknown[]) =>
      void reported.push([name, ...args]);
  return {
    reported,
    received: report("received"),
    refused: report("refused"),
    eventRefused: report("eventRefused"),
    attempted: report("attempted"),
    deliverySettled: report("deliverySettled"),
    mediumSettled: report("mediumSettled"),
    mediaMoved: report("mediaMoved"),
  };
}

/** The samples of a scrape by their names with labels, as they stand in it; the number of each. */
export function readSamples(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}
