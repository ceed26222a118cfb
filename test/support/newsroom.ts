import type { TestContext } from "node:test";
import type { ConfigInput } from "../../src/config/schema.ts";
import { openProvider } from "../../src/simulator/provider.ts";
import { openDashboard } from "./dashboard.ts";
import { send } from "./front-door.ts";
import { realPorts } from "./real-ports.ts";
import { openReceiver } from "./receiver.ts";
import { endpointTo } from "./relay-in-folder.ts";
import { waitFor } from "./wait.ts";

/** Texts as anyone may send them: markup, marks that turn or hide the text, a text of another direction, a long word. */
export const HOSTILE = {
  script: `<script>alert("owned")</script> & <img src=x onerror=alert(1)> 'x'`,
  turned: "Interview with the mayor \u202Egnp.exe\u202C, part 2",
  arabic: "عاجل: الفيضانات في الوادي — آخر المستجدات 🌊",
  long: "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft".repeat(3),
  lines: "Weather\n\ttonight:\u0000\u200b clear",
};

/** An id of a video of 256 bytes with all that has a meaning in an address. */
export const HOSTILE_ID = `a/../b?c#d%2F&e=<b>"'\u202E`.padEnd(254, "x");

/** The video of the night, which cms refuses by the context of its page. */
export const VIDEO = "65f0c1d2a96495171c4440fc";
const CONTEXT = "page-4711";
const TITLE = "Flood in the valley: what we know so far";

/**
 * The apps of a relay with a dashboard, and where its films come from: cms refuses the videos of contexts in `refused`,
 * search-index answers 503, archive takes all.
 */
async function openApps(t: TestContext) {
  const refused = new Set([CONTEXT]);
  const [cms, search, archive, provider] = await Promise.all([
    openReceiver(({ json }) =>
      refused.has(json?.videoContext)
        ? { status: 422, body: '{"error":"unknown rubric \\"wetter\\"","field":"relay.title","hint":"<b>news</b>"}' }
        : 200,
    ),
    openReceiver({ status: 503, body: "no healthy upstream" }),
    openReceiver(),
    openProvider(realPorts()),
  ]);
  for (const each of [cms, search, archive, provider]) t.after(() => each.close());
  return { refused, cms, search, archive, provider };
}

/**
 * A night at a relay with a dashboard, which is told as a test wants it. `admin`: its options; `mirror`: those of the mirror.
 */
export async function openNight(t: TestContext, { admin, mirror }: Pick<ConfigInput, "admin" | "mirror"> = {}) {
  const apps = await openApps(t);
  const { provider, cms, search, archive } = apps;
  const dashboard = await openDashboard(t, {
    ...(admin && { admin }),
    ...(mirror && { mirror }),
    endpoints: [
      endpointTo(cms.url, { id: "cms", retry: ["1ms", "20ms", "30ms", "40ms", "1h", "2h"] }),
      endpointTo(search.url, { id: "search-index" }),
      endpointTo(archive.url, { id: "archive" }),
    ],
  });
  const film = provider.addVideo(VIDEO, { bytes: 300_000 });
  const poster = provider.addThumbnail(VIDEO);
  const links = { videoUrl: film.link(), thumbnailUrl: poster.link(), videoDuration: 127.4 };

  /** What the API says of an event. */
  const shown = async (id: string) => (await dashboard.get(`/events/${id}`)).json;
  const stateAt = async (id: string, endpoint: string) =>
    (await shown(id)).deliveries.find((one: { endpoint: string }) => one.endpoint === endpoint);

  return {
    ...dashboard,
    ...{ ...apps, film, poster, shown, stateAt },
    /** The event of the night, and one of the same video before it; resolves when cms has refused it five times. */
    async play(): Promise<string> {
      const of = { wochitVideoId: VIDEO, title: TITLE };
      await dashboard.event({ ...of, type: "draft.new", videoContext: "page-4698" });
      const id = await dashboard.event({ ...of, type: "video.ready", videoContext: CONTEXT, ...links });
      await waitFor(async () => (await stateAt(id, "cms")).attempts === 5);
      await waitFor(async () => (await stateAt(id, "archive")).state === "delivered");
      return id;
    },
  };
}

/** Titles as they come: hostile, of both directions, too long, with characters that are not to be seen. */
const TITLES = [
  ...[TITLE, HOSTILE.script, HOSTILE.arabic, HOSTILE.turned, HOSTILE.long, HOSTILE.lines],
  "Goal of the night",
];

const LONG_CONTEXT =
  '{"page":"story/2026/11/29/flood-in-the-valley","site":"eu-west-news","rev":91827364,"desk":"regional"}';

/**
 * A relay at night, with something on every page of its dashboard: cms refuses one video, archive has dead deliveries, search
 * fails, intranet is paused; media that are mirrored and one whose link dies soon; refused requests; a task.
 */
export async function openNewsroom(t: TestContext) {
  const apps = await openApps(t);
  const { cms, archive, search, provider } = apps;
  archive.answer(({ json }) => (json?.videoContext === "page-3" ? { status: 413, body: "too large <b>" } : 200));
  const films = await openReceiver(503);
  t.after(() => films.close());
  const long = ["1s", "10m", "30m", "1h"];
  const dashboard = await openDashboard(t, {
    endpoints: [
      endpointTo(cms.url, { id: "cms", retry: long }),
      endpointTo(archive.url, { id: "archive", retry: ["1ms"], send: "immediately" }),
      endpointTo(search.url, { id: "search-index", retry: long, send: "immediately", events: ["video.*"] }),
      endpointTo("http://127.0.0.1:9/", { id: "intranet", paused: true, events: ["video.delete"] }),
    ],
  });
  const { event, relay, get, post } = dashboard;
  const media = (videoId: string) => ({
    videoUrl: provider.addVideo(videoId, { seconds: 12, bytes: 200_000 }).link(),
    thumbnailUrl: provider.addThumbnail(videoId).link(),
  });
  for (let n = 0; n < 28; n++) {
    const nth = n % TITLES.length;
    const wochitVideoId = nth === 0 ? VIDEO : `${VIDEO.slice(0, -1)}${nth}`;
    const videoContext = nth === 0 ? CONTEXT : nth === 6 ? LONG_CONTEXT : `page-${nth}`;
    const type = n < TITLES.length ? "video.ready" : "draft.update";
    await event({ type, wochitVideoId, videoContext, title: TITLES[nth], n, ...(n < 3 && media(wochitVideoId)) });
  }
  await event({ type: "video.delete", wochitVideoId: "lobby", title: "Storm warning" });
  const made = new Date(Date.now() - 82_000_000).toISOString().replace(/[-:]|\.\d+/g, "");
  const link = `${films.url}/talk.mp4?X-Amz-Date=${made}&X-Amz-Expires=86400`;
  await event({ wochitVideoId: "talk", title: "Sunday talk, episode 81", videoUrl: link });
  const webhook = { method: "POST", path: "/webhooks/wochit" };
  await send(relay.port, webhook, '{"type":"draft.update","title":"\u202Etitle\u0000 <script>alert(1)</script>"');
  await send(relay.port, webhook, JSON.stringify({ title: "no video" }));
  await waitFor(async () => (await get("/deliveries?state=dead")).json.data.length >= 4);
  await waitFor(async () => (await get("/media?state=mirrored")).json.data.length === 6);
  await post("/deliveries/retry", { endpoint: "archive", state: "dead" });
  await waitFor(async () => (await get("/tasks?state=done")).json.data.length === 1);
  await waitFor(async () => (await get("/deliveries?state=dead")).json.data.length >= 4);
  return dashboard;
}

/** An address of each page, with what there is: by the path of the page. */
export async function addressesOf({
  get,
}: Awaited<ReturnType<typeof openNewsroom>>): Promise<Record<string, string[]>> {
  const first = async (path: string) => (await get(path)).json.data[0].id as string;
  const event = await first(`/events?videoId=${VIDEO}&type=video.ready`);
  const delivery = await first("/deliveries?state=dead");
  return {
    "/": ["/"],
    "/find": ["/find", "/find?q=the", "/find?q=nothing+at+all", "/find?q=evt_06ff3nqk0003nhckv"],
    "/events": ["/events", "/events?status=dead", "/events?context=none", "/events?type=draft.nwe"],
    "/events/:id": [`/events/${event}`, `/events/${event}?preview=cms`, "/events/evt_06ff3nqk0003nhckv"],
    "/events/:id/replay": [`/events/${event}/replay`],
    "/videos": ["/videos", "/videos?state=ready", "/videos?context=none"],
    "/videos/:id": [`/videos/${VIDEO}`, "/videos/talk", "/videos/none"],
    "/videos/:id/forget": [`/videos/${VIDEO}/forget`],
    "/deliveries": ["/deliveries", "/deliveries?state=dead", "/deliveries?state=pending", "/deliveries?state=all"],
    "/deliveries/:id": [`/deliveries/${delivery}`],
    "/confirm": [
      ...["/confirm?do=retry&state=dead&endpoint=archive", "/confirm?do=cancel&endpoint=search-index"],
      ...["/confirm?do=replay&since=24h", "/confirm?do=verify", "/confirm?do=reprocess&reason=token", "/confirm"],
      "/confirm?do=media-retry&state=pending",
    ],
    "/endpoints": ["/endpoints"],
    "/endpoints/:id": ["/endpoints/cms", "/endpoints/search-index", "/endpoints/intranet"],
    "/endpoints/:id/pause": ["/endpoints/cms/pause"],
    "/media": ["/media", "/media?state=mirrored", "/media?by=deadline"],
    "/media/:id": [`/media/${await first("/media?by=deadline")}`, `/media/${await first("/media?state=mirrored")}`],
    "/quarantine": ["/quarantine", "/quarantine?reason=source"],
    "/quarantine/:id": [`/quarantine/${await first("/quarantine")}`],
    "/tasks": ["/tasks"],
    "/tasks/:id": [`/tasks/${await first("/tasks")}`],
    "/audit": ["/audit", "/audit?verb=log%20out%20everywhere"],
    "/settings": ["/settings"],
  };
}
