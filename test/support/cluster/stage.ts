import { createWriteStream, type WriteStream } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../src/platform/runtime.ts";
import { openProvider } from "../../../src/simulator/provider.ts";
import { openApp } from "../crash/app.ts";
import { SECRET } from "../crash/config.ts";
import { fetchCopies } from "../crash/copies.ts";
import { judge } from "../crash/judge.ts";
import { judgeLine } from "../crash/judge-line.ts";
import { keptInBucket } from "../crash/kept.ts";
import { type Load, startLoad } from "../crash/load.ts";
import { type Operator, startOperator } from "../crash/operator.ts";
import { createSpells } from "../crash/spells.ts";
import { createWorld } from "../crash/world.ts";
import { startPostgres } from "../postgres.ts";
import { seededRandom } from "../random.ts";
import { openStored } from "../stored.ts";
import { waitFor } from "../wait.ts";
import { tapWire } from "../wire.ts";
import { openBalancer } from "./balancer.ts";
import { CLUSTER_ENDPOINTS, clusterConfig, FEW, HASTY, VERBATIM } from "./config.ts";
import { createLogJudge, judgeClaims, judgeLimits } from "./judge.ts";
import { makeRelays, threadsOf } from "./relays.ts";
import { watchDatabase } from "./watch.ts";

const DATABASE = "cluster";

/** Of each endpoint, unless the config says another one. */
const CONCURRENCY = 8;

/** A dead relay's deliveries and downloads go on elsewhere within 30 s: a lease is 20 s, and the rest is for the next claim. */
const LONGEST_LAPSE = 10_000;

export type Stage = Awaited<ReturnType<typeof openStage>>;

export type Ending = { figures: string[]; problems: string[]; folder: string };

/**
 * Everything around a cluster: a PostgreSQL and an S3 server of its own, the provider's media, apps, a balancer, and so many
 * relays as there are clocks, none of which runs yet. `databaseUrl`: how a relay comes to the database.
 */
export async function openStage(given: {
  seed: string;
  /** By how many seconds each relay's clock is ahead. */
  clocks: number[];
  /** The first relay comes to the database by a wire that can be cut: it may refuse events then. */
  hasWire?: boolean;
}) {
  const { seed, clocks, hasWire = false } = given;
  const folder = await mkdtemp(join(tmpdir(), "wochit-relay-cluster-"));
  const closers: (() => unknown)[] = [];
  const problems: string[] = [];
  const logs = new Map<string, WriteStream>();

  async function close(): Promise<void> {
    for (const closer of closers.splice(0).reverse()) await closer();
  }

  try {
    const server = await startPostgres(null);
    closers.push(() => server.remove());
    await server.ask(`CREATE DATABASE ${DATABASE} TEMPLATE template0`);
    const url = server.url(DATABASE);
    const kept = await keptInBucket();
    closers.push(() => kept.close());
    const provider = await openProvider({ clock: systemClock(), random: seededRandom(`${seed} links`) });
    closers.push(() => provider.close());
    const world = createWorld({ random: seededRandom(`${seed} load`), provider, large: 10 });
    const spells = createSpells(seededRandom(`${seed} spells`));
    const app = await openApp({
      ...{ world, random: seededRandom(`${seed} app`), secret: SECRET, verbatim: VERBATIM, hasty: HASTY },
      slow: new Set(["drafts"]),
      spells: new Map([["moody", spells]]),
    });
    closers.push(() => app.close());
    const wire = hasWire
      ? await tapWire({ after: (close) => void closers.push(close as () => unknown) }, server)
      : null;

    const log = createLogJudge(problems);
    let publicUrl = "";
    const relays = await makeRelays(folder, {
      clocks,
      configOf({ port, nth }) {
        const databaseUrl = nth === 0 && wire !== null ? wire.url(DATABASE) : url;
        return clusterConfig({ port, publicUrl, appUrl: app.url, target: kept.target, databaseUrl });
      },
      onLine(line, { name, folder }) {
        problems.push(...judgeLine(line));
        log.take(line, name);
        if (!logs.has(name)) logs.set(name, createWriteStream(join(folder, "log"), { flags: "a" }));
        logs.get(name)!.write(`${line}\n`);
      },
    });
    closers.push(() => relays.killAll());
    const balancer = await openBalancer(relays.members.map(({ port }) => port));
    closers.push(() => balancer.close());
    publicUrl = balancer.url;
    await relays.write();
    // The operator comes to the database by itself.
    const operators = join(folder, "operator");
    const configPath = join(operators, "config.json");
    const { port } = balancer;
    const config = clusterConfig({ port, publicUrl, appUrl: app.url, target: kept.target, databaseUrl: url });
    await mkdir(operators);
    await writeFile(configPath, JSON.stringify(config));

    let load: Load | null = null;
    let operator: Operator | null = null;
    let watch: Awaited<ReturnType<typeof watchDatabase>> | null = null;
    closers.push(
      () => watch?.stop(),
      () => operator?.stop(),
      () => load?.abort(),
    );

    /** Resolves when all that run take events. */
    async function ready(): Promise<void> {
      await Promise.all(relays.members.map(({ process }) => process?.ready()));
      await waitFor(async () => (await fetch(`${balancer.url}/readyz`)).status === 200);
    }

    return {
      ...{ folder, relays, balancer, wire, app, problems, log },
      ready,
      /** Once the database is there: events come, an operator works, and the database is watched. */
      async begin(): Promise<void> {
        watch = await watchDatabase(url, Date.now);
        operator = startOperator({
          ...{ configPath, endpoints: ["app", "moody"], random: seededRandom(`${seed} operator`) },
          ...{ isThere: () => true, arrived: () => app.arrivals.length },
        });
        load = startLoad({
          ...{ world, url: `${balancer.url}/webhooks/wochit`, random: seededRandom(`${seed} pace`) },
          mayRefuse: hasWire,
          delivered: () => app.taken.get("app")?.size ?? 0,
        });
      },
      acknowledged: () => load?.acknowledged() ?? 0,
      /** Lets all that was begun come to its end, within so many milliseconds, stops the relays, and judges what is there. */
      async end(within: number): Promise<Ending> {
        await load!.finish(60_000);
        await operator!.stop();
        spells.end();
        const stored = await openStored(configPath);
        closers.push(() => stored.close());
        const drained = await stored.drained(within);
        const fetched = await fetchCopies(app, world, problems);
        await watch!.stop();
        for (const { name, process } of relays.members)
          if (threadsOf(process?.pid ?? 0).includes("store")) problems.push(`${name} has a thread for SQLite`);
        await relays.stop();
        // What another relay has fetched instead goes from a spool at the next start.
        for (const member of relays.members) relays.start(member);
        await ready();
        await relays.stop();
        const { replays, counts } = operator!;
        const spoolDirs = relays.members.map(({ dataDir }) => join(dataDir, "spool"));
        const endpoints = CLUSTER_ENDPOINTS;
        const report = await judge({
          ...{ stored, kept, spoolDirs, world, app, endpoints, replays, ofSeveral: true },
        });
        problems.push(...report.problems);
        let checks = report.figures.checks;
        const check = (holds: boolean, why: () => string): void => {
          checks++;
          if (!holds) problems.push(why());
        };
        judgeLimits({ app, check }, (endpoint) => (endpoint === "drafts" ? FEW : CONCURRENCY));
        const claims = await judgeClaims({ app, check }, { server, database: DATABASE });
        const lapse = watch!.longestLapse();
        check(lapse <= LONGEST_LAPSE, () => `${watch!.longest()} was not claimed until ${lapse} ms after its lease`);
        problems.push(...relays.problems, ...load!.problems, ...app.problems, ...watch!.problems);
        const figures = [
          `posted ${world.posted.length}`,
          `acknowledged ${load!.acknowledged()}`,
          `requests cut ${world.posted.reduce((sum, { cuts }) => sum + cuts, 0)}, answered 503 ${load!.refused()}`,
          `stored ${report.figures.stored}`,
          `requests to apps ${app.counts.taken + app.counts.failed + app.counts.reset + app.counts.away}`,
          `taken ${app.counts.taken} (${app.counts.repeated} of them duplicates), of ${claims} claims`,
          `superseded ${report.figures.superseded}, retried ${counts.retries}, replayed ${counts.replays}`,
          `at once ${[...app.traffic.most].map(([endpoint, most]) => `${endpoint} ${most}`).join(" ")}`,
          `copies ${report.figures.files}, fetched by link ${fetched}`,
          `looks ${watch!.looks()}, longest lapse of a lease ${lapse} ms`,
          `leases lost ${log.counts.lost}, logged errors ${log.counts.errors}`,
          `drained in ${drained} ms`,
          `checks ${checks}, problems ${problems.length}`,
        ];
        return { figures, problems, folder };
      },
      /** What the database holds, as lines of JSON in a folder beside the logs. */
      async dump(): Promise<void> {
        for (const table of ["deliveries", "attempts", "media", "transfers", "videos", "nodes", "endpoints"]) {
          const rows = await server.ask(`SELECT row_to_json(t) FROM ${table} t`, DATABASE).catch(() => []);
          await writeFile(join(folder, `${table}.json`), rows.map(([row]) => `${row}\n`).join(""));
        }
      },
      close,
      remove: () => rm(folder, { recursive: true, force: true }),
    };
  } catch (error) {
    await close();
    throw error;
  }
}
