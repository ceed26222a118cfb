import { createNames, type Epoch } from "../../../src/store/core/rows/ids.ts";
import type { App, Arrival } from "../crash/app.ts";
import { mostWithin } from "../crash/traffic.ts";
import type { PostgresServer } from "../postgres.ts";
import { PACE } from "./config.ts";

/** In so many milliseconds an endpoint with a rate may get this much more than the rate: its app may be late to see some. */
const SPAN = 10_000;
const SLACK = 1.3;

type Judged = { app: App; check(holds: boolean, why: () => string): void };

/** What the app has seen at once, against the limits of the endpoints, which are the cluster's. */
export function judgeLimits({ app, check }: Judged, concurrency: (endpoint: string) => number): void {
  const { most, begins, mostOfLane, fullest } = app.traffic;
  for (const [endpoint, seen] of most) {
    const allowed = concurrency(endpoint);
    check(seen <= allowed, () => `${endpoint} got ${seen} requests at once, of ${allowed}`);
  }
  check(mostOfLane <= 1, () => `${mostOfLane} requests were under way at once in the lane of ${fullest}`);
  const paced = mostWithin(begins.get("paced") ?? [], SPAN);
  const allowed = (PACE * SPAN * SLACK) / 1_000;
  check(paced <= allowed, () => `paced got ${paced} requests within ${SPAN} ms, of ${PACE} a second`);
}

/** No claim was given twice: each request that the app did not break off is of a claim of its own. */
export async function judgeClaims(
  { app, check }: Judged,
  { server, database }: { server: PostgresServer; database: string },
): Promise<number> {
  const ask = (text: string) => server.ask(text, database);
  const epochs = (await ask("SELECT first, tag FROM epochs ORDER BY id DESC")).map(
    ([first, tag]): Epoch => ({ first: Number(first), tag: Number(tag) }),
  );
  // However many relays have started at once, and died.
  check(epochs.length === 1, () => `the database has had ${epochs.length} epochs`);
  const names = createNames(epochs);
  const requests = new Map<string, Arrival[]>();
  for (const arrival of app.arrivals) {
    if (arrival.broken) continue;
    const name = `${arrival.endpoint} ${arrival.id}`;
    requests.set(name, [...(requests.get(name) ?? []), arrival]);
  }
  let claims = 0;
  for (const [endpoint, event, sum] of await ask("SELECT endpoint, event, sum(claims) FROM deliveries GROUP BY 1, 2")) {
    const id = names.show("evt", Number(event));
    const came = requests.get(`${endpoint} ${id}`) ?? [];
    claims += Number(sum);
    check(came.length <= Number(sum), () => {
      const times = came.map(({ at, attempt }) => `${new Date(at).toISOString()} as attempt ${attempt}`);
      return `${endpoint} got ${id} at ${times.join(", ")}, of ${sum} claims`;
    });
  }
  return claims;
}

/** The log of all relays: no delivery was settled as delivered by two. */
export function createLogJudge(problems: string[]) {
  const delivered = new Map<string, string>();
  const counts = { delivered: 0, lost: 0, errors: 0 };
  const errors = new Map<string, number>();
  return {
    counts,
    /** What was said as an error, and how often; the most frequent first. */
    errors: () => [...errors].toSorted(([, one], [, other]) => other - one),
    take(line: string, relay: string): void {
      if (!line.startsWith("{")) return;
      const fact = readFact(line);
      if (fact === null) return;
      if (fact.level === "error") {
        counts.errors++;
        const name = `${fact.msg}${fact.error ? `: ${fact.error}` : ""}`;
        errors.set(name, (errors.get(name) ?? 0) + 1);
      }
      if (fact.msg === "delivery not settled: its lease was lost") counts.lost++;
      if (fact.msg !== "delivered" || fact.delivery === undefined) return;
      counts.delivered++;
      const first = delivered.get(fact.delivery);
      if (first !== undefined) problems.push(`${fact.delivery} was delivered by ${first}, and by ${relay}`);
      delivered.set(fact.delivery, relay);
    },
  };
}

type Fact = { level?: string; msg?: string; error?: string; delivery?: string };

function readFact(line: string): Fact | null {
  try {
    return JSON.parse(line) as Fact;
  } catch {
    return null; // the last one of a relay that was killed
  }
}
