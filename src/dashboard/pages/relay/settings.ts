import { listBackups } from "../../../actions/relay/backups.ts";
import { effectiveConfig } from "../../../actions/relay/effective-config.ts";
import { describeRelays } from "../../../actions/relay/relays.ts";
import type { DoctorReport } from "../../../admin/operation.ts";
import { tokenFileOf } from "../../../config/secrets.ts";
import type { ReceiverState } from "../../../model/alert.ts";
import { runtimeName } from "../../../platform/runtime.ts";
import type { RelaySeen } from "../../../store/access/relays.ts";
import type { Act, Page, Visit } from "../../page.ts";
import { act } from "../../parts/forms.ts";
import { type Html, html, type Piece } from "../../parts/html.ts";
import { notice } from "../../parts/notices.ts";
import { state } from "../../parts/states.ts";
import { pairs, row, table } from "../../parts/tables.ts";
import { copyOf, id, json, text } from "../../parts/text.ts";

/** What it shows beside doctor and the config is left out where the database cannot be used: then this page is needed most. */
export const settingsPage: Page = {
  path: "/settings",
  section: "/settings",
  async show(visit) {
    const { place } = visit;
    const troubles = place.troubles();
    const wrong = troubles.map((one) => notice("bad", text(one, 500)));
    const config = JSON.stringify(effectiveConfig(place.config).config, null, 2);
    return {
      title: "Settings and doctor",
      under: html`The relay is set by one file; this page changes nothing but looks.`,
      actions: act(visit, "/settings/doctor", "Examine everything", { kind: "primary" }),
      shell: ["wochit-relay doctor", "wochit-relay check"],
      content: html`<div id="part-troubles" data-part>${wrong}</div>
<section id="part-doctor" data-part aria-labelledby="doctor">${doctor(place.doctor.report(), visit)}</section>
<div class="two even"><section aria-labelledby="effective"><header><h2 id="effective">The effective config</h2><span class="actions"><span class="soft small">secrets are not shown</span>${copyOf("config", "the config")}</span></header><pre id="config" class="body card" tabindex="0" role="region" aria-label="The effective config, as JSON">${json(config)}</pre></section>
<section aria-labelledby="about"><h2 id="about">About</h2><div class="card pad">${await about(visit)}</div></section></div>`,
    };
  },
};

const RANKS = ["failed", "warning", "ok"];

function doctor({ state: is, startedAt, endedAt, lines, error }: DoctorReport, { times }: Visit): Html {
  const counts = RANKS.map((word) => [word, lines.filter((line) => line.state === word).length] as const);
  const words = counts
    .filter(([, many]) => many > 0)
    .map(([word, many]) => `${many} ${word}${word === "warning" && many > 1 ? "s" : ""}`);
  const said: Piece =
    is === "never"
      ? "not asked since the start"
      : is === "running"
        ? html`looking, since ${times.since(startedAt!)}`
        : html`${words.join(", ")}${words.length > 0 && " · "}looked ${times.since(endedAt!)}`;
  const head = html`<header><h2 id="doctor">Doctor</h2><span class="soft small">${said}</span></header>`;
  if (error !== null) return html`${head}${notice("bad", text(error, 500))}`;
  if (lines.length === 0) {
    return html`${head}<div class="card pad"><p class="soft">It probes the disk, the clock, the target, each endpoint and the way of requests, and says what to do. It takes a few seconds; with a large database longer.</p></div>`;
  }
  const rows = [...lines]
    .sort((a, b) => RANKS.indexOf(a.state) - RANKS.indexOf(b.state))
    .map((line, at) =>
      row(
        `probe-${at}`,
        html`<td class="wide">${text(line.probe)}</td><td>${state(line.state)}</td><td><span class="under narrow">${text(line.probe)}</span>${text(line.detail, 500)}${line.advice !== null && html`<span class="under">→ ${text(line.advice, 500)}</span>`}</td>`,
      ),
    );
  const heads = [
    ["w-m wide", "Of"],
    ["w-f", "Finding"],
    ["", "What it is, and what to do"],
  ] as const;
  return html`${head}<div class="card">${table({ caption: "What doctor found", heads }, rows)}</div>`;
}

async function about(visit: Visit): Promise<Html> {
  const { place, times, visitor } = visit;
  const { store, config, version, startedAt } = place;
  const [sessions, backups, receivers, relays] = await Promise.all([
    store.sessions().catch(() => null),
    listBackups(store).catch(() => null),
    store.receivers().catch(() => null),
    store.relays().catch(() => []),
  ]);
  const last = backups?.data[0];
  const own =
    visitor.session === null ? "" : html`, this one ends ${times.at(visitor.session.expiresAt, { relative: true })}`;
  const end = act(visit, "/settings/log-out-everywhere", "Log out everywhere", { kind: "tiny" });
  return pairs([
    ["version", `${version}, ${runtimeName()}`],
    ["running since", times.at(startedAt, { relative: true })],
    ...(relays.length === 0 ? [] : [["relays", relayList(relays, times)] as const]),
    ["config", config.file === null ? "the defaults" : id(config.file)],
    ["data", id(config.dataDir)],
    ["admin token", config.admin?.token == null ? html`in ${id(tokenFileOf(config.dataDir))}` : "in the config"],
    ["logins", html`${sessions === null ? "not known now" : sessions.length}${own} ${end}`],
    [
      "last backup",
      last === undefined
        ? backups === null
          ? "not known now"
          : "none"
        : html`${times.at(last.at, { relative: true })}<br>${id(last.name)}`,
    ],
    ["alarms go to", receivers === null ? "not known now" : sentTo(receivers, visit)],
    ["API", html`<a href="/openapi.json">openapi.json</a> · <a href="/metrics">metrics</a>`],
  ]);
}

/** Those that work on the same database. */
function relayList(relays: RelaySeen[], times: Visit["times"]): Piece {
  return describeRelays(relays, times.now).map((one, at) => {
    const { host, version, lastSeenAt, live, configDiffers } = one;
    const state = live ? "" : ", silent";
    const differs = configDiffers ? ": its config is not that of the others" : "";
    return html`${at > 0 && html`<br>`}${id(host)}, version ${version}, seen ${times.since(Date.parse(lastSeenAt))}${state}${differs}`;
  });
}

/** Where alarms are sent, each with when it was last, or since when it takes none. */
function sentTo(receivers: ReceiverState[], { times }: Visit): Piece {
  if (receivers.length === 0)
    return html`these pages only: <span class="id">alerts.to</span> in the config names no one`;
  return receivers.map(({ name, place, sentAt, failingSince, error }, at) => {
    const last = sentAt === null ? "nothing yet" : html`the last ${times.since(sentAt)}`;
    const how = failingSince === null ? last : html`takes nothing since ${times.at(failingSince)}: ${text(error, 300)}`;
    return html`${at > 0 && html`<br>`}${name !== null && html`${id(name)} at `}${id(place)}, ${how}`;
  });
}

export const settingsActs: Act[] = [
  {
    path: "/settings/doctor",
    page: () => "/settings",
    async run({ place, visitor }) {
      if (place.doctor.begin()) {
        const deed = { verb: "doctor" as const, subject: null, count: null, outcome: "done" };
        // It is of use above all where nothing can be entered.
        await place.store.noteDeed({ through: "dashboard", by: visitor.by }, deed).catch(() => {});
      }
      return { to: "/settings", notice: "examining" };
    },
  },
];
