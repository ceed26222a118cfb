import type { EndpointJson } from "../../../actions/endpoints.ts";
import { describeSettings } from "../../../actions/outcome/endpoint.ts";
import type { Endpoint } from "../../../config/schema.ts";
import { type Html, html, none, type Piece } from "../html.ts";
import { pairs } from "../tables.ts";
import { id, text } from "../text.ts";
import type { Times } from "../times.ts";

/** What decides what it gets, and how. */
export function endpointSettings(shown: EndpointJson, config: Endpoint, { now, span }: Times): Html {
  const { events, filter, body, send, order, headers } = shown;
  const { timeout, concurrency, ratePerSecond, retry, maxWait, laneHold, coalesce } = describeSettings(config);
  const waits = config.retry.reduce((sum, wait) => sum + wait, 0);
  const over = waits < 1_000 ? "" : `, over ${span(now + waits)}`;
  const names = Object.keys(headers);
  const rows: (readonly [string, Piece])[] = [
    ["events", events.length === 0 ? "none" : text(events.join(", "), 1_000)],
    [
      "body",
      `${body}, sent ${send === "immediately" ? "at once" : `when its media are settled, at most ${maxWait} later`}`,
    ],
    ["order", order === "video" ? `per video; one that fails steps aside after ${laneHold}` : "none"],
    [
      "pace",
      `${concurrency} at once, ${ratePerSecond === null ? "no rate limit" : `at most ${ratePerSecond} a second`}, ${timeout} to answer`,
    ],
    ["retries", config.retry.length === 0 ? "none" : `${config.retry.length}${over}: ${retry}`],
  ];
  const only = [...asked("context", filter?.context), ...asked("video", filter?.videoId)];
  if (only.length > 0) rows.splice(1, 0, ["only", text(only.join("; "), 1_000)]);
  if (coalesce !== null) rows.push(["coalesced", text(String(coalesce))]);
  if (names.length > 0)
    rows.push(["headers", html`${id(names.join(", "))} <span class="soft">values are not shown</span>`]);
  return pairs(rows);
}

const asked = (name: string, values: string[] | null | undefined): string[] =>
  values == null ? [] : [`${name} ${values.join(", ")}`];

const ORDINALS = ["1st", "2nd", "3rd"];

/** The secrets that sign: where each is, and a mark by which it is known; never a value. */
export function endpointSecrets({ id: endpoint, secrets }: EndpointJson): Html {
  const rows = secrets.map(({ place, mark }, at) => {
    const known = mark === null ? none : html` · sha256 begins ${id(`${mark.slice(0, 4)} ${mark.slice(4)}`)}`;
    return [`${ORDINALS[at] ?? `${at + 1}th`}, signs${at === 0 ? "" : " too"}`, html`${text(place)}${known}`] as const;
  });
  const hint =
    secrets.length > 1
      ? html`<p class="small soft">More than one: a rotation is under way. When ${text(endpoint)} accepts the 1st, take the others out of the config and reload.</p>`
      : html`<p class="small soft">To rotate it put a new one before it, reload, and take the old one out when ${text(endpoint)} accepts the new one.</p>`;
  return html`<div class="card pad stack tight">${pairs(rows)}${hint}</div>`;
}
