import pg from "pg";

/** What is seen of the database while relays come and go. */
export type Watch = {
  looks(): number;
  /** Of deliveries and downloads whose lease has ended the longest time without the next claim, in milliseconds. */
  longestLapse(): number;
  /** Which that was. */
  longest(): string;
  problems: string[];
  stop(): Promise<void>;
};

const LOOK_EVERY = 250;

/** Where other rules than leases decide when the next claim is made: an open breaker, a rate, slots that dead relays hold. */
const HELD_BACK = ["moody", "paced", "drafts"];

/** While fewer downloads than this are under way, each relay has room for one more. */
const FREE_SLOTS = 2;

/** What may be claimed because its lease has ended, and comes first: before what has become due later, or was tried before. */
const LAPSED = `
  SELECT 'delivery ' || id || ' to ' || endpoint || ' of node ' || node AS what FROM deliveries d
    WHERE state IN ('running', 'canceling') AND due < $1 AND NOT endpoint = ANY($2)
      AND NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.endpoint = d.endpoint AND e.due < d.due)
  UNION ALL SELECT 'download ' || id || ' of node ' || node FROM media
    WHERE state = 'running' AND due < $1 AND NOT EXISTS (SELECT 1 FROM media WHERE due <= 0)
      AND (SELECT count(*) FROM media WHERE state = 'running' AND due >= $1) < ${FREE_SLOTS}`;

/** Looks at a database again and again. `now`: milliseconds by its clock. */
export async function watchDatabase(url: string, now: () => number): Promise<Watch> {
  const client = new pg.Client({ connectionString: url });
  const problems: string[] = [];
  client.on("error", (error) => problems.push(`the watch lost its connection: ${error.message}`));
  await client.connect();
  let looks = 0;
  let worst = { lapse: 0, what: "none" };
  let isOver = false;
  /** Since when each has been so at every look. */
  let since = new Map<string, number>();

  async function look(): Promise<void> {
    const at = now();
    const { rows } = await client.query<{ what: string }>(LAPSED, [at, HELD_BACK]);
    looks++;
    since = new Map(rows.map(({ what }) => [what, since.get(what) ?? at]));
    for (const [what, from] of since) if (at - from > worst.lapse) worst = { lapse: at - from, what };
  }

  const done = (async () => {
    while (!isOver) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
    }
  })().catch((error) => void problems.push(`the watch broke: ${error}`));

  return {
    ...{ looks: () => looks, longestLapse: () => worst.lapse, longest: () => worst.what, problems },
    async stop() {
      if (isOver) return;
      isOver = true;
      await done;
      await client.end();
    },
  };
}
