import { request } from "undici";
import { sha256Of } from "../bytes.ts";
import type { App } from "./app.ts";
import type { World } from "./world.ts";

/** Fetches what the application was told it can fetch: the newest address of some copies. */
export async function fetchCopies(app: App, world: World, problems: string[]): Promise<number> {
  let fetched = 0;
  for (const [url, { videoId, kind, sha256 }] of [...app.links].slice(-200)) {
    let answer = await request(url);
    if (answer.statusCode === 307) answer = await request(String(answer.headers.location));
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    if (answer.statusCode === 404 && world.deleted.has(videoId)) continue;
    if (answer.statusCode !== 200) problems.push(`the link to a copy of ${videoId} answers ${answer.statusCode}`);
    else if (kind === "video" ? sha256Of(bytes) !== sha256 : !world.thumbnails.get(videoId)?.includes(sha256Of(bytes)))
      problems.push(`the link to a copy of ${videoId} gives other bytes`);
    fetched++;
  }
  return fetched;
}
