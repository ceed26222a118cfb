import type { Alarm } from "../../actions/alarms/judge.ts";
import type { Visit } from "../page.ts";
import type { ShownAlarm, Summary } from "../summary.ts";
import { linkButton } from "./forms.ts";
import { type Html, html, none } from "./html.ts";
import { confirmOf } from "./links.ts";
import { icon } from "./states.ts";
import { number, text } from "./text.ts";

/** What needs a person, what is worst first: nothing where nothing does. */
export function needs({ alarms, facts: { endpoints } }: Summary, visit: Visit): Html {
  const deadOf = (subject: string | null) => endpoints.find(({ id }) => id === subject)?.dead ?? 0;
  if (alarms.length === 0) return none;
  return html`<ul class="needs card">${alarms.map((alarm) => need(alarm, visit, deadOf(alarm.subject)))}</ul>`;
}

const SHAPES: Partial<Record<Alarm["name"], string>> = {
  BreakerOpen: "pause",
  DeliveriesDead: "cross",
  DownloadsStopped: "glass",
  MediaLinkDiesSoon: "glass",
  MediaLost: "glass",
  SenderUnknown: "inbox",
  SendersRefused: "inbox",
  DeliveriesLate: "clock",
  NoEvents: "inbox",
};

function need({ silence, ...alarm }: ShownAlarm, visit: Visit, dead: number): Html {
  const { name, severity, subject, what, means, page } = alarm;
  const tone = severity === "page" ? "bad" : "warn";
  const retry = name === "DeliveriesDead" && visit.can === "operate" && subject !== null;
  const sure = retry && linkButton(confirmOf("retry", { endpoint: subject, state: "dead" }), `Retry ${number(dead)}…`);
  const look = linkButton(page, html`Look<span class="sr">: ${what}</span>`);
  const silenced = silence && html` <span class="soft">Silenced until ${visit.times.when(silence.until)}.</span>`;
  return html`<li>${icon(SHAPES[name] ?? "alert", undefined, tone)}<div><h3><a href="${page}">${text(what, 300)}</a></h3><p>${text(means, 500)}${silenced}</p></div><div class="actions">${look}${sure}</div></li>`;
}
