import { reprocess, showQuarantined } from "../../../actions/quarantine.ts";
import { API } from "../../../admin/operation.ts";
import { errorLine, RelayError } from "../../../errors.ts";
import { type Act, goTo, type Page, type View, type Visit } from "../../page.ts";
import { act } from "../../parts/forms.ts";
import { type Html, html, type Piece } from "../../parts/html.ts";
import { pageOf, withQuery } from "../../parts/links.ts";
import { notice } from "../../parts/notices.ts";
import { REFUSED, refusedWords } from "../../parts/quarantine/reasons.ts";
import { state } from "../../parts/states.ts";
import { shownOf } from "../../parts/story/body.ts";
import { pairs } from "../../parts/tables.ts";
import { copy, copyOf, id, number, text, typeName } from "../../parts/text.ts";
import { whyCard } from "../../parts/why.ts";

/** Bytes that are shown as numbers. */
const HEX = 512;
const A_LINE = 16;

type Shown = Awaited<ReturnType<typeof showQuarantined>>;

export const refusedPage: Page = {
  path: "/quarantine/:id",
  section: "/quarantine",
  show: (visit) => show(visit, null),
};

/** `problem`: why it could not be taken in, just now. */
async function show(visit: Visit, problem: string | null): Promise<View | Response> {
  const { place, path, times } = visit;
  const refused = await showQuarantined(place.store, path.id!).catch((error) => {
    const event = takenInAs(error);
    if (event === null) throw error;
    return goTo(pageOf.event(event));
  });
  if (refused instanceof Response) return refused;
  const { reason, receivedAt, sourceAddress, bytes, body, bodyBase64 } = refused;
  const content = Buffer.from(body ?? bodyBase64!, body === null ? "base64" : "utf8");
  const download = html`<a class="small" href="${API}/quarantine/${refused.id}/body" download>Download, ${number(bytes)} bytes</a>`;
  return {
    title: `Refused: ${refused.id}`,
    crumbs: html`<a href="/quarantine">Quarantine</a> / ${id(refused.id)}`,
    heading: `Refused: ${refusedWords(reason)}`,
    under: html`<span class="meta">${state("refused")} <span>${reason}</span> <span>from ${id(sourceAddress)}</span> <span>received ${times.at(receivedAt, { relative: true })}</span></span>`,
    shell: [`wochit-relay quarantine show ${refused.id}`, `wochit-relay quarantine reprocess ${refused.id}`],
    ...(problem !== null && { status: 409, notice: notice("bad", text(problem, 500)) }),
    content: html`${why(refused, visit)}<div class="two"><section aria-labelledby="as-text"><header><h2 id="as-text">Its body, as text</h2><span class="actions">${download} ${copyOf("body", "the body")}</span></header>${body === null && html`<p class="small soft">It is not UTF-8: what cannot be read is shown as a question mark.</p>`}<pre id="body" class="body card" tabindex="0" role="region" aria-label="The refused body">${bytes === 0 ? html`<span class="odd">empty</span>` : shownOf(content)}</pre></section><div class="stack">${about(refused)}<section aria-labelledby="as-bytes"><h2 id="as-bytes">Its bytes</h2><details class="card pad" id="hex"><summary>In hexadecimal${bytes > HEX && `, the first ${HEX}`}</summary><pre class="answer" tabindex="0" role="region" aria-label="Its bytes in hexadecimal">${hexLines(content.subarray(0, HEX)).join("\n")}</pre></details></section></div></div>`,
  };
}

/** The event that an entry has become which is no longer there; null: it never was. */
function takenInAs(error: unknown): string | null {
  const isGone = error instanceof RelayError && error.code === "not_found";
  return (isGone && /taken in as (evt_[0-9a-z]+)/.exec(error.message)?.[1]) || null;
}

function why({ id, reason, videoId, type }: Shown, visit: Visit): Html {
  const isEvent = videoId !== null;
  const take = act(visit, `${pageOf.quarantined(id)}/reprocess`, "Reprocess it", { kind: isEvent ? "primary" : "" });
  const reads =
    isEvent &&
    html`<p><b>${typeName(type)}</b> of <a class="id" href="${pageOf.video(videoId)}">${text(videoId, 300)}</a>. A reprocess takes it in as if it had been allowed: it becomes an event that comes late, goes to your apps, and leaves the quarantine.</p>`;
  const advice = html`<p>${REFUSED[reason]?.advice}</p>`;
  const title = isEvent ? "It reads as an event" : "It does not read as an event";
  return whyCard(isEvent ? "warn" : "", title, html`${reads}${advice}`, [take]);
}

function about({ id: own, sourceAddress, reason, detail }: Shown): Html {
  const rows: (readonly [string, Piece])[] = [
    ["refused", html`${id(own)} ${copy(own, "its id")}`],
    ...(detail === null ? [] : [["what was wrong", text(detail, 500)] as const]),
    [
      "like it",
      html`<a href="${withQuery("/quarantine", { reason, source: sourceAddress })}">All for this reason from this address</a>`,
    ],
  ];
  return html`<section aria-labelledby="what"><h2 id="what">What it is</h2><div class="card pad">${pairs(rows)}</div></section>`;
}

/** `0010  7b 22 74 …  {"t`: the place, the bytes, and those that are letters. */
function hexLines(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += A_LINE) {
    const part = [...bytes.subarray(at, at + A_LINE)];
    const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const letters = part.map((byte) => (byte > 0x1f && byte < 0x7f ? String.fromCharCode(byte) : "·")).join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${hex.padEnd(3 * A_LINE)} ${letters}`);
  }
  return lines;
}

export const quarantineActs: Act[] = [
  {
    path: "/quarantine/:id/reprocess",
    page: ({ id }) => pageOf.quarantined(id!),
    async run(visit) {
      const { place, path } = visit;
      try {
        const { id, status } = await reprocess(place.store, place.acceptKept, path.id!);
        return { to: pageOf.event(id), notice: status === "accepted" ? "taken" : "duplicate" };
      } catch (error) {
        const isNone = error instanceof RelayError && /^invalid_/.test(error.code);
        if (!isNone) throw error;
        return show(visit, `It was not taken in: ${errorLine(error)}.`);
      }
    },
  },
];
