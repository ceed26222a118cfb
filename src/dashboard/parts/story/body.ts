import type { PreviewJson } from "../../../actions/feed/preview.ts";
import { formatSize } from "../../../actions/format.ts";
import { readMembers } from "../../../wochit/json-members.ts";
import { linkButton } from "../forms.ts";
import { type Html, html, none, type Piece } from "../html.ts";
import { pageOf, withQuery } from "../links.ts";
import { copyOf, json, lines, number, text, withFewOdd } from "../text.ts";

// Bodies: what was received, and what an endpoint would be sent of it. They are text, never an attribute.

/** Bytes of a body that a page shows. */
const SHOWN = 256 * 2 ** 10;

/** Bytes that are coloured: each token is an element. */
const COLOURED = 32 * 2 ** 10;

/** Characters that are marked: a page of a few hundred thousand takes most of a second, in which no event is taken in. */
const MARKED = 4_000;

/** The beginning of a body. A character that is cut in two is left out. */
export function shownOf(bytes: Uint8Array): Html {
  const decoded = new TextDecoder().decode(bytes.subarray(0, SHOWN), { stream: true });
  const text = withFewOdd(decoded, MARKED);
  const rest = bytes.length - SHOWN;
  const isCut = text.length < decoded.length;
  const words = isCut ? "the rest, with more such characters, is" : `the other ${formatSize(rest)} are`;
  const more = (isCut || rest > 0) && html`\n<span class="odd">${words} in the download</span>`;
  return html`${bytes.length <= COLOURED ? json(broken(text)) : lines(text)}${more}`;
}

/** An object that is all one line: a line for each of its members. Nothing else of it is changed. */
function broken(text: string): string {
  const members = [...readMembers(text).values()];
  const joined = (colon: string, comma: string) => members.map(({ name, value }) => name + colon + value).join(comma);
  return text === `{${joined(":", ",")}}` ? `{\n  ${joined(": ", ",\n  ")}\n}` : text;
}

/** What was received; null: it has been pruned. */
export function receivedBody(id: string, bytes: Uint8Array | null, kept: string): Html {
  if (bytes === null) {
    return html`<section aria-labelledby="received"><h2 id="received">What was received</h2><div class="card pad"><p class="soft">Its bytes are no longer kept (${kept}): it cannot be sent again. The row, its attempts and its media stay.</p></div></section>`;
  }
  const path = `${pageOf.event(id)}/body`;
  return html`<section aria-labelledby="received"><header><h2 id="received">What was received</h2><span class="actions"><a class="small" href="${path}" download>Download, ${formatSize(bytes.length)}</a> ${copyOf("body", "the received body")}</span></header><pre id="body" class="body card" tabindex="0" role="region" aria-label="The received body">${shownOf(bytes)}</pre></section>`;
}

/** A choice of the endpoints, and (`preview`) what the one that was chosen would be sent. `problem`: why that is not known. */
export function sentBody(
  id: string,
  endpoints: readonly string[],
  { preview, problem, received }: { preview: PreviewJson | null; problem: string | null; received: Uint8Array | null },
): Html {
  const links = endpoints.map((one) =>
    linkButton(`${withQuery(pageOf.event(id), { preview: one })}#sent`, text(one, 60), "tiny"),
  );
  const choice =
    preview === null
      ? html`<p class="small soft">Built anew for each attempt, of what is known then. What would it be now?</p>${problem !== null && html`<p>${text(problem, 500)}</p>`}<div class="actions">${links}</div>`
      : none;
  const shown = preview === null ? none : previewOf(preview, received);
  const close = preview !== null && html`<a class="small" href="${pageOf.event(id)}#sent">Close</a>`;
  const title = preview === null ? "What an endpoint gets" : html`What ${text(preview.endpoint, 60)} would get now`;
  return html`<section aria-labelledby="sent"><header><h2 id="sent">${title}</h2><span class="actions">${close}${preview !== null && copyOf("sent-body", "the body that would be sent")}</span></header><div class="card pad stack tight">${choice}${shown}</div></section>`;
}

function previewOf({ url, headers, bytes, body, wanted }: PreviewJson, received: Uint8Array | null): Html {
  const head = Object.entries(headers).map(([name, value]) => html`${text(name)}: ${text(value, 300)}\n`);
  const unwanted = wanted
    ? none
    : html`<p class="small soft">It does not ask for this event by its events and filter.</p>`;
  return html`${unwanted}<p class="small soft">${number(bytes)} bytes. <span class="added">Marked</span> is what the relay adds or changes. Each attempt has a signature of its own beside these headers.</p><details><summary>POST and its headers</summary><pre class="answer" tabindex="0" role="region" aria-label="The head of the request">POST ${text(url, 500)}\n${head}</pre></details><pre id="sent-body" class="body" tabindex="0" role="region" aria-label="The body that would be sent now">${compared(body, received)}</pre>`;
}

/** A body by its members, one line each; those that are not as they were received are marked. */
function compared(body: string, received: Uint8Array | null): Html {
  const sent = [...readMembers(body).values()];
  if (body.length > COLOURED || sent.length === 0) return lines(body.slice(0, SHOWN));
  const before = received === null ? new Map() : readMembers(new TextDecoder().decode(received));
  const same = new Set([...before.values()].map(({ name, value }) => `${name}:${value}`));
  const rows = sent.map(({ name, value }, index): Piece => {
    const line = json(`${name}: ${value}`);
    return html`  ${received === null || same.has(`${name}:${value}`) ? line : html`<span class="added">${line}</span>`}${index < sent.length - 1 && ","}\n`;
  });
  return html`{\n${rows}}`;
}
