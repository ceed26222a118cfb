import { relativeTime } from "../../../actions/format.ts";
import type { Medium } from "../../../model/medium.ts";
import { type Html, html } from "../html.ts";
import { pageOf } from "../links.ts";
import type { Tone } from "../states.ts";
import { row, table } from "../tables.ts";
import { clip, text } from "../text.ts";
import type { Times } from "../times.ts";

const HOUR = 3_600_000;

/** How near a link's end is, as a tone. */
export function dueTone(deadline: number, now: number): Tone {
  if (deadline < now + 3 * HOUR) return "bad";
  return deadline < now + 12 * HOUR ? "warn" : "";
}

/** When a link dies, in words with a tone. */
export function due(deadline: number, now: number): Html {
  const left = relativeTime(deadline, now).replace(/^in /, "");
  return html`<span class="due ${dueTone(deadline, now)}">${left}</span>`;
}

/** Media that are not secured, in few words, the nearest deadline first. */
export function mediaSoon(media: Medium[], { times }: { times: Times }): Html {
  if (media.length === 0) return html`<p class="pad soft">Nothing waits to be secured.</p>`;
  const rows = media.map(({ id, kind, videoId, state, deadline, lastError }) =>
    row(
      `soon-${id}`,
      html`<td class="main"><a class="clip" href="${pageOf.medium(id)}">${kind}</a>${clip(videoId, "under id")}<span class="under">${lastError === null ? state : text(lastError)}</span></td><td class="nowrap">${due(deadline, times.now)}<span class="under wide">${times.at(deadline)}</span></td>`,
    ),
  );
  const caption = "Media that are not secured yet, the nearest deadline first";
  return table(
    {
      caption,
      heads: [
        ["", "Medium"],
        ["w-s", "Link dies"],
      ],
    },
    rows,
  );
}
