import type { TestContext } from "node:test";
import type { ConfigInput } from "../../src/config/schema.ts";
import { openProvider } from "../../src/simulator/provider.ts";
import { openDashboard } from "./dashboard.ts";
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

export const VIDEO = "65f0c1d2a96495171c4440fc";

/**
 * A night at a relay with a dashboard: cms refuses the videos of contexts in `refused`, search-index answers 503, archive takes
 * all. `admin`: its options; `mirror`: those of the mirror.
 */
export async function openNight(t: TestContext, { admin, mirror }: Pick<ConfigInput, "admin" | "mirror"> = {}) {
  const ports = realPorts();
  const provider = await openProvider(ports);
  t.after(() => provider.close());
  const refused = new Set(["page-4711"]);
  const cms = await openReceiver(({ json }) =>
    refused.has(json.videoContext)
      ? { status: 422, body: '{"error":"unknown rubric \\"wetter\\"","field":"relay.title"}' }
      : 200,
  );
  const search = await openReceiver({ status: 503, body: "no healthy upstream" });
  const archive = await openReceiver();
  for (const app of [cms, search, archive]) t.after(() => app.close());
  const dashboard = await openDashboard(
    t,
    {
      ...(admin && { admin }),
      ...(mirror && { mirror }),
      endpoints: [
        endpointTo(cms.url, { id: "cms", retry: ["1ms", "20ms", "30ms", "40ms", "1h", "2h"] }),
        endpointTo(search.url, { id: "search-index" }),
        endpointTo(archive.url, { id: "archive" }),
      ],
    },
    ports,
  );
  const film = provider.addVideo(VIDEO, { bytes: 300_000 });
  const poster = provider.addThumbnail(VIDEO);
  const links = { videoUrl: film.link(), thumbnailUrl: poster.link(), videoDuration: 127.4 };
  const title = "Flood in the valley: what we know so far";

  /** What the API says of an event. */
  const shown = async (id: string) => (await dashboard.get(`/events/${id}`)).json;
  const stateAt = async (id: string, endpoint: string) =>
    (await shown(id)).deliveries.find((one: { endpoint: string }) => one.endpoint === endpoint);

  return {
    ...dashboard,
    ...{ provider, refused, cms, search, archive, film, poster, shown, stateAt },
    /** The event of the night, and one of the same video before it; resolves when cms has refused it five times. */
    async play(): Promise<string> {
      const of = { wochitVideoId: VIDEO, title };
      await dashboard.event({ ...of, type: "draft.new", videoContext: "page-4698" });
      const id = await dashboard.event({ ...of, type: "video.ready", videoContext: "page-4711", ...links });
      await waitFor(async () => (await stateAt(id, "cms")).attempts === 5);
      await waitFor(async () => (await stateAt(id, "archive")).state === "delivered");
      return id;
    },
  };
}
