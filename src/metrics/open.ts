import type { Metrics } from "../ports.ts";
import type { Distribution } from "../store/histogram.ts";
import { type Gauges, gaugesOf } from "./gauges.ts";
import { type Counted, createMeters, type Series } from "./meters.ts";
import type { Readings } from "./readings.ts";
import { type Definition, METRICS, type MetricName, PREFIX } from "./table.ts";

/** The metrics of a relay, in the text format of Prometheus. */
export type OpenMetrics = {
  /** What the parts report to. */
  port: Metrics;
  /** The endpoints of the config from now on. */
  setEndpoints(ids: string[]): void;
  /** Where the gauges are read; null: the store cannot be used, and has none. */
  readFrom(read: (() => Promise<Readings>) | null): void;
  /** One scrape. */
  text(): Promise<{ type: string; body: string }>;
};

type Family = Definition & { name: string; values: Sample[]; aggregator: "sum" };
type Sample = { metricName?: string; labels: Record<string, string>; value: number };

/**
 * Counts from now on. The library that writes the text, and has the metrics of the process, is loaded with the first scrape:
 * a relay that is not scraped starts sooner without it.
 */
export function openMetrics(about: { version: string; runtime: string }): OpenMetrics {
  const meters = createMeters();
  let readAll: (() => Promise<Readings>) | null = null;
  let commits: Readings["commits"] = null;
  let families = new Map<string, Family>();
  let registry: ReturnType<typeof openRegistry> | null = null;

  async function gather(): Promise<void> {
    const readings = await readAll?.();
    // While the disk hangs the last known ones hold: a counter that goes away and comes back looks like a restart.
    commits = readings?.commits ?? commits;
    const gauges: Gauges = readings === undefined ? { store_usable: [{ labels: [], value: 0 }] } : gaugesOf(readings);
    const build = [{ labels: [about.version, about.runtime], value: 1 }];
    const { counters, attempts } = meters.read();
    const histograms: Partial<Record<MetricName, Series<Distribution>[]>> = {
      attempt_seconds: attempts,
      ...(commits && {
        commit_seconds: [{ labels: [], value: commits.seconds }],
        commit_batch: [{ labels: [], value: commits.writes }],
      }),
    };
    const plain: Gauges & Counted["counters"] = { ...counters, ...gauges, build_info: build };
    families = new Map(
      (Object.keys(METRICS) as MetricName[]).map((name) => {
        const definition: Definition = METRICS[name];
        const full = PREFIX + name;
        const values =
          definition.type === "histogram"
            ? (histograms[name] ?? []).flatMap((series) => bucketsOf(full, definition, series))
            : (plain[name] ?? []).map(({ labels, value }) => ({ labels: named(definition, labels), value }));
        return [full, { ...definition, name: full, values, aggregator: "sum" }];
      }),
    );
  }

  /** Reads the families by their names, so that each scrape writes what was gathered last. */
  async function openRegistry() {
    const { collectDefaultMetrics, Registry } = await import("prom-client");
    const opened = new Registry();
    for (const [name, { labels: _, bounds: __, ...definition }] of Object.entries<Definition>(METRICS)) {
      const metric = { ...definition, name: PREFIX + name, get: async () => families.get(PREFIX + name)! };
      opened.registerMetric(metric as unknown as Parameters<typeof opened.registerMetric>[0]);
    }
    collectDefaultMetrics({ register: opened, prefix: PREFIX });
    return opened;
  }

  return {
    port: meters.port,
    setEndpoints: meters.setEndpoints,
    readFrom(read) {
      readAll = read;
      if (read === null) commits = null;
    },
    async text() {
      registry ??= openRegistry();
      const opened = await registry;
      await gather();
      return { type: opened.contentType, body: await opened.metrics() };
    },
  };
}

function named({ labels = [] }: Definition, values: readonly string[]): Record<string, string> {
  return Object.fromEntries(labels.map((label, at) => [label, values[at]!]));
}

/** A histogram's samples: how many were at most each bound, the sum, the number. */
function bucketsOf(name: string, definition: Definition, { labels, value }: Series<Distribution>): Sample[] {
  const own = named(definition, labels);
  let count = 0;
  const buckets = value.counts.map((more, at) => {
    count += more;
    return {
      metricName: `${name}_bucket`,
      labels: { ...own, le: String(definition.bounds![at] ?? "+Inf") },
      value: count,
    };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: own, value: value.sum },
    { metricName: `${name}_count`, labels: own, value: count },
  ];
}
