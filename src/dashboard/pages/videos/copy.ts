import { hasCopy } from "../../../actions/media.ts";
import { RelayError } from "../../../errors.ts";
import type { Page } from "../../page.ts";
import { isShown } from "../../parts/videos/copy.ts";

/** A page that shows a copy may load it, and nothing in it runs. */
const SAFETY = { "content-security-policy": "default-src 'none'; sandbox", "x-content-type-options": "nosniff" };

/** The bytes of a copy, for those who have logged in: as the public listener serves them, or a redirect to the bucket. */
export const copyPage: Page = {
  path: "/videos/:id/media/:medium",
  section: "/videos",
  async show({ place, path, request, outgoing }) {
    const medium = await place.store.medium(path.medium!);
    if (medium.videoId !== path.id || !hasCopy(medium) || !isShown(medium)) {
      throw new RelayError("not_found", `${path.medium} is no picture or film of this video that can be shown`);
    }
    const { method, headers } = request;
    const header = (name: string) => headers.get(name) ?? undefined;
    const answer = await place.copies().serve(medium, { method, header, outgoing });
    for (const [name, value] of Object.entries(SAFETY)) answer.headers.set(name, value);
    // Who has logged out, or has had it erased, does not see it again.
    if (answer.ok) answer.headers.set("cache-control", "private, no-cache");
    return answer;
  },
};
