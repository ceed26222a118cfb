import type { MediumJson } from "../../../actions/json.ts";
import { type Html, html } from "../html.ts";
import { text } from "../text.ts";

/** Hosts that are named. */
const MOST = 3;

/** The hosts from which some of these media, not secured yet, could not be fetched, with what they said last. */
export function hostTrouble(rows: MediumJson[]): Html[] {
  const hosts = new Map<string, { failed: string[]; all: number }>();
  for (const { sourceUrl, lastError } of rows) {
    const host = hostOf(sourceUrl);
    const known = hosts.get(host) ?? { failed: [], all: 0 };
    known.all++;
    if (lastError !== null) known.failed.push(lastError);
    hosts.set(host, known);
  }
  return [...hosts]
    .filter(([, { failed }]) => failed.length > 0)
    .sort(([, a], [, b]) => b.failed.length - a.failed.length)
    .slice(0, MOST)
    .map(
      ([host, { failed, all }], at) =>
        html`<section class="why warn" aria-labelledby="host-${at}"><h2 id="host-${at}">${text(host)} has trouble</h2><p>It did not give ${failed.length === all ? (all === 1 ? "the one that waits" : `any of the ${all} that wait`) : `${failed.length} of the ${all} that wait`} for it here; its last word${all > 1 && " on one"}: <b>${text(failed[0]!, 200)}</b></p><p>Each is tried again until its link dies. If it goes on, ask Wochit to send the webhook again: it brings fresher links.</p></section>`,
    );
}

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : "what is no address");
