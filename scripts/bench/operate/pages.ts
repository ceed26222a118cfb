import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import type { Conditions } from "../bench.ts";
import { writeTemplate } from "../load/bodies.ts";
import { needWrk, postEvents } from "../load/wrk.ts";
import { median, quantile, type Row, tailRow } from "../measure.ts";
import { emptySide, takeTurns } from "../turns.ts";
import { startOver, TOKEN } from "./over.ts";

// The dashboard over a database of years: how soon each page begins to come, how heavy it is, and what pages that are open cost
// the events that come in.

const ASKS = 100;
const CONNECTIONS = 64;
const WARM_UP = 2;

/** Milliseconds until the first byte; bytes of a page with its sheet and script, compressed; of the events with three pages open. */
const WANTED = { firstByte: 50, bytes: 15_000, ratio: 0.95 };

/** Pages as they are, and (`of`) of each of some things: newest ones, and others from anywhere. */
const PAGES: { path: string; of?: "events" | "videos" | "deliveries" | "media"; atMost?: null }[] = [
  ...["/", "/events", "/events?status=dead", "/events?type=rare.type", "/events?context=page-77"].map((path) => ({
    path,
  })),
  ...["/events?q=zoo+panda", "/events?q=river"].map((path) => ({ path })),
  { path: "/events/", of: "events" },
  ...["/videos", "/videos?state=deleted", "/videos?q=river"].map((path) => ({ path })),
  { path: "/videos/", of: "videos" },
  ...["/deliveries", "/deliveries?state=all", "/deliveries?state=pending"].map((path) => ({ path })),
  { path: "/deliveries/", of: "deliveries" },
  ...["/endpoints", "/endpoints/cms", "/media?by=deadline", "/media?state=failed"].map((path) => ({ path })),
  { path: "/media/", of: "media" },
  ...["/quarantine", "/tasks", "/audit", "/settings"].map((path) => ({ path })),
  ...["/find?q=page-77", "/find?q=river", "/confirm?do=retry&state=dead"].map((path) => ({ path })),
  // It counts each of these events.
  { path: "/confirm?do=replay&since=24h", atMost: null },
];

/** The pages that are open. */
const OPEN = ["/", "/events", "/deliveries?state=all"];

export async function measurePages(dir: string, { rounds, seconds, small, say }: Conditions): Promise<Row[]> {
  await needWrk();
  const template = join(dir, "template");
  writeTemplate(template);
  const took = new Map(PAGES.map(({ path }) => [path, [] as number[]]));
  let heaviest = { path: "", bytes: 0 };
  const [alone, open] = [emptySide(), emptySide()];
  const renewals: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const { relay, base } = await startOver(dir);
    try {
      const cookie = await logIn(base);
      if (round === 1) {
        heaviest = await askPages(base, cookie, { took, asks: small ? 10 : ASKS });
        for (const [path, all] of took) {
          say(`operate: page ${path}, p50 ${median(all).toFixed(1)} ms, p99 ${quantile(all, 0.99).toFixed(1)} ms`);
        }
      }
      const post = (duration: number) =>
        postEvents(relay.ready.url, { connections: CONNECTIONS, seconds: duration, template });
      await post(WARM_UP);
      const stretch = (name: string, side: typeof alone, pages: string[]) => ({
        async measure() {
          const tabs = pages.map((path) => openTab(base, path, cookie));
          // Each has been told once that something has changed before it is measured.
          if (tabs.length > 0) await sleep(1_500);
          const { perSecond, p50, p99 } = await post(seconds);
          for (const tab of tabs) renewals.push(await tab.close());
          side.values.push(perSecond);
          side.p50.push(p50);
          side.p99.push(p99);
          say(`operate: round ${round}, ${name}, ${Math.round(perSecond)} events/s, p99 ${p99.toFixed(1)} ms`);
        },
      });
      const turns = [stretch("no page open", alone, []), stretch("three pages open", open, OPEN)];
      await takeTurns(1, round % 2 === 0 ? turns.reverse() : turns);
    } finally {
      await relay.stop();
    }
  }
  const row: Row = {
    ...{ figure: "operate: ingest with three pages open", unit: "events/s", baseline: alone, ours: open },
    note: `live pages: ${OPEN.join(", ")}; each was renewed ${Math.round(median(renewals))} times in ${seconds} s`,
    wanted: { of: "ratio", atLeast: WANTED.ratio },
  };
  return [
    ...PAGES.map(({ path, of, atMost = WANTED.firstByte }): Row => {
      const all = took.get(path)!;
      const p99 = quantile(all, 0.99);
      return {
        ...{
          figure: `operate: page ${path}${of === undefined ? "" : "…"}, first byte, p99`,
          unit: "ms",
          baseline: null,
        },
        ours: { values: [p99], p50: [median(all)], p99: [p99] },
        wanted: atMost === null ? null : { of: "ours", atMost },
      };
    }),
    {
      ...{ figure: "operate: the heaviest page with sheet and script", unit: "bytes", baseline: null },
      ours: { values: [heaviest.bytes] },
      note: heaviest.path,
      wanted: { of: "ours", atMost: WANTED.bytes },
    },
    row,
    tailRow(row, null),
  ];
}

/** Its cookie. */
async function logIn(base: string): Promise<string> {
  const { statusCode, headers, body } = await request(`${base}/login`, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin" },
    body: new URLSearchParams({ token: TOKEN, to: "/" }).toString(),
  });
  await body.dump();
  const cookie = [headers["set-cookie"] ?? ""].flat()[0]!.split(";")[0]!;
  if (statusCode !== 303 || cookie === "") throw new Error(`the login is answered ${statusCode}`);
  return cookie;
}

/** Asks for one page after the other, many times; the heaviest, with its sheet and script. */
async function askPages(
  base: string,
  cookie: string,
  { took, asks }: { took: Map<string, number[]>; asks: number },
): Promise<{ path: string; bytes: number }> {
  const rest = await assetsOf(base, cookie);
  const ids = new Map<string, string[]>();
  for (const { of } of PAGES) if (of !== undefined) ids.set(of, await someOf(base, of, asks));
  let heaviest = { path: "", bytes: 0 };
  for (let n = 0; n < asks; n++) {
    for (const { path, of, atMost } of PAGES) {
      if (atMost === null && n > 0) continue;
      const own = of === undefined ? "" : encodeURIComponent(ids.get(of)![n % ids.get(of)!.length]!);
      const { firstByte, bytes } = await ask(base + path + own, cookie);
      took.get(path)!.push(firstByte);
      if (bytes + rest > heaviest.bytes) heaviest = { path: path + own, bytes: bytes + rest };
    }
  }
  return heaviest;
}

/** Ids of the newest, and of others from anywhere in time. */
async function someOf(base: string, list: string, count: number): Promise<string[]> {
  const idsOf = async (query: string): Promise<{ id: string; at: number }[]> => {
    const { body } = await request(`${base}/api/v1/${list}?${query}`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    const { data } = (await body.json()) as { data: Record<string, string>[] };
    return data.map((one) => ({
      id: (list === "videos" ? one.videoId : one.id)!,
      at: Date.parse(one.receivedAt ?? one.createdAt ?? one.firstSeenAt ?? one.deadline!),
    }));
  };
  const newest = await idsOf(`limit=${Math.ceil(count / 2)}`);
  const now = newest[0]!.at;
  const found = newest.map(({ id }) => id);
  // The bench's database has 50,000 events a day.
  for (let n = 1; found.length < count && n < 4 * count; n++) {
    const until = new Date(now - n * 1_800_000 * (1 + (n % 7))).toISOString();
    found.push(...(await idsOf(`limit=1&until=${until}`)).map(({ id }) => id));
  }
  return found;
}

/** Bytes of the sheet and the script, compressed. */
async function assetsOf(base: string, cookie: string): Promise<number> {
  const { body } = await request(`${base}/settings`, { headers: { cookie } });
  const paths = [...(await body.text()).matchAll(/"(\/assets\/[^"]+\.(?:css|js))"/g)].map(([, path]) => path!);
  const all = await Promise.all(paths.map((path) => ask(base + path, cookie)));
  return all.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Milliseconds until the first byte of its body, and all bytes of that. */
async function ask(url: string, cookie: string): Promise<{ firstByte: number; bytes: number }> {
  const begun = performance.now();
  const { statusCode, headers, body } = await request(url, { headers: { cookie, "accept-encoding": "gzip" } });
  let firstByte = Number.NaN;
  let bytes = 0;
  for await (const chunk of body) {
    if (bytes === 0) firstByte = performance.now() - begun;
    bytes += (chunk as Uint8Array).length;
  }
  const isPage = statusCode === 200 || (statusCode === 303 && String(headers.location).startsWith("/"));
  if (!isPage) throw new Error(`GET ${url} is answered ${statusCode}`);
  return { firstByte: bytes === 0 ? performance.now() - begun : firstByte, bytes };
}

/** What the script of an open page does: it asks for itself when it is told that something has changed, and then leaves a while. */
function openTab(base: string, path: string, cookie: string): { close(): Promise<number> } {
  const leave = new AbortController();
  let count = 0;
  let isStale = false;
  const renewing = (async () => {
    while (!leave.signal.aborted) {
      await sleep(20);
      if (!isStale) continue;
      isStale = false;
      const begun = performance.now();
      await ask(base + path, cookie);
      count++;
      await sleep(Math.max(1_000, 4 * (performance.now() - begun)));
    }
  })();
  const listening = (async () => {
    const { statusCode, body } = await request(`${base}/live`, { headers: { cookie }, signal: leave.signal });
    if (statusCode !== 200) throw new Error(`GET /live is answered ${statusCode}`);
    for await (const chunk of body) if (String(chunk).includes("event: changed")) isStale = true;
  })();
  // A failure is reported by `close`; an end by it is none.
  renewing.catch(() => {});
  listening.catch(() => {});
  return {
    async close() {
      leave.abort();
      await renewing;
      await listening.catch((error) => {
        if (!leave.signal.aborted || (error as Error).name !== "AbortError") throw error;
      });
      return count;
    },
  };
}
