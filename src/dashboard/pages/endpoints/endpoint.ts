import {
  type EndpointJson,
  probeEndpoint,
  resumeEndpoint,
  showEndpoint,
  testDeed,
  testEndpoint,
} from "../../../actions/endpoints.ts";
import type { AttemptJson } from "../../../actions/json.ts";
import { readBacklog } from "../../../actions/outcome/backlog.ts";
import { type EndpointHour, readEndpointHours } from "../../../actions/outcome/hours.ts";
import type { Act, Done, Page, View, Visit } from "../../page.ts";
import { attemptList } from "../../parts/deliveries/attempts.ts";
import { endpointCharts } from "../../parts/endpoints/charts.ts";
import { endpointSecrets, endpointSettings } from "../../parts/endpoints/settings.ts";
import { endpointWord, lasted, shareOf, sumOf } from "../../parts/endpoints/table.ts";
import { endpointWhy } from "../../parts/endpoints/why.ts";
import { act, linkButton } from "../../parts/forms.ts";
import { type Html, html, none } from "../../parts/html.ts";
import { confirmOf, pageOf, withQuery } from "../../parts/links.ts";
import { state } from "../../parts/states.ts";
import { facts } from "../../parts/tables.ts";
import { id, number, text } from "../../parts/text.ts";

export const endpointPage: Page = {
  path: "/endpoints/:id",
  section: "/endpoints",
  show: (visit) => show(visit, null),
};

/** `tried`: what came of a test, just now. */
async function show(visit: Visit, tried: AttemptJson | null): Promise<View> {
  const { place, times, can } = visit;
  const endpoint = await showEndpoint(targetOf(visit));
  const [hours, [backlog]] = await Promise.all([
    readEndpointHours(place.store, [endpoint.id], { now: times.now }),
    readBacklog(place.store, [endpoint], times.now),
  ]);
  const own = hours.get(endpoint.id)!;
  const config = place.config.endpoints.find((one) => one.id === endpoint.id);
  const configured =
    config &&
    html`<div class="two even"><section aria-labelledby="config"><h2 id="config">As configured</h2><div class="card pad">${endpointSettings(endpoint, config, times)}</div></section><section aria-labelledby="secrets"><h2 id="secrets">Secrets</h2>${endpointSecrets(endpoint)}</section></div>`;
  return {
    title: endpoint.id,
    heading: text(endpoint.id),
    crumbs: html`<a href="/endpoints">Endpoints</a>`,
    under: html`<span class="meta">${state(endpointWord(endpoint.state))} ${endpoint.url === null ? html`<span>not in the config</span>` : id(endpoint.url)}</span>`,
    actions: actionsOf(endpoint, visit),
    shell: ["list", `test ${endpoint.id}`, `pause ${endpoint.id}`].map((verb) => `wochit-relay endpoints ${verb}`),
    content: html`${tried !== null && testResult(tried, visit)}${endpointWhy(endpoint, { times, can, isPausedByConfig: config?.paused ?? false, held: backlog?.held ?? null })}<section id="facts" data-part aria-label="In numbers">${numbers(endpoint, own, backlog?.minutesLeft ?? null, visit)}</section>${endpointCharts(own, times)}${configured}`,
  };
}

const targetOf = ({ place, path }: Visit) => ({ store: place.store, config: place.config, id: path.id! });

function actionsOf({ id, state }: EndpointJson, visit: Visit): Html[] {
  if (visit.can === "read" || state === "removed") return [];
  const own = pageOf.endpoint(id);
  return [
    act(visit, `${own}/test`, "Test"),
    state === "paused" ? none : linkButton(`${own}/pause`, "Pause…"),
    linkButton(confirmOf("replay", { endpoint: id, since: "24h" }), "Replay 24 h to it…"),
  ];
}

function testResult(tried: AttemptJson, { times }: Visit): Html {
  const words =
    tried.error === null
      ? "It took a signed message of type relay.test, which stands for no event."
      : "It was sent a signed message of type relay.test, which stands for no event, and did not take it.";
  return html`<section aria-labelledby="test" role="status"><h2 id="test">The test</h2><p class="small soft">${words}</p>${attemptList([tried], times)}</section>`;
}

function numbers(endpoint: EndpointJson, hours: EndpointHour[], minutesLeft: number | null, { times }: Visit): Html {
  const { id, waiting, pending, running, dead, oldest } = endpoint;
  const all = sumOf(hours);
  const newest = hours.findLast(({ p50 }) => p50 !== null);
  const open = waiting + pending + running;
  const left = minutesLeft === null || waiting === open ? "" : `; about ${minutesLeft} min to go`;
  const died = hours.reduce((sum, hour) => sum + hour.dead, 0);
  const link = (state: string, count: number) =>
    count === 0 ? "0" : html`<a href="${withQuery("/deliveries", { endpoint: id, state })}">${number(count)}</a>`;
  return facts([
    { name: "Succeeded, 24 h", value: shareOf(all), small: `of ${number(all.ok + all.failed)} attempts` },
    {
      name: "Time to answer",
      value: lasted(newest?.p50 ?? null, "≤ "),
      small: newest === undefined ? "no attempt in 24 h" : `half of them; 95 of 100 ${lasted(newest.p95, "≤ ")}`,
    },
    {
      name: "Open",
      value: link("all", open),
      small: oldest === null ? "all that came has arrived" : `deliveries, the oldest for ${times.span(oldest)}${left}`,
    },
    {
      name: "Dead",
      value: link("dead", dead),
      small: died === 0 ? "none died in 24 h" : `${number(died)} died in 24 h`,
    },
  ]);
}

const there = (visit: Visit, notice: Done["notice"]): Done => ({ to: pageOf.endpoint(visit.path.id!), notice });

export const endpointActs: Act[] = [
  {
    path: "/endpoints/:id/resume",
    page: ({ id }) => pageOf.endpoint(id!),
    async run(visit) {
      await resumeEndpoint(targetOf(visit));
      return there(visit, "resumed");
    },
  },
  {
    path: "/endpoints/:id/probe",
    page: ({ id }) => pageOf.endpoint(id!),
    async run(visit) {
      await probeEndpoint(targetOf(visit));
      return there(visit, "probed");
    },
  },
  {
    path: "/endpoints/:id/test",
    page: ({ id }) => pageOf.endpoint(id!),
    async run(visit) {
      const { place, path, visitor } = visit;
      const tried = await testEndpoint(place.config, path.id!, place.tryEndpoint);
      await place.store.noteDeed({ through: "dashboard", by: visitor.by }, testDeed(path.id!, tried));
      return show(visit, tried);
    },
  },
];
