import { isIP } from "node:net";
import type { InferOutput } from "valibot";
import { DOCUMENTED_TYPES } from "../model/event.ts";
import { looksLikeNetwork, parseNetworks, refusalOf } from "../platform/net/addresses.ts";
import { isPublicHost } from "../platform/net/public-host.ts";
import { nearest } from "../rules/nearest.ts";
import { includes, nameOf, takesOut, topicMatches } from "../rules/topics.ts";
import { typeOf } from "../targets/table.ts";
import { isLoopback } from "./own-webhook.ts";
import { type configSchema, parseListen } from "./schema.ts";
import { warnAboutStore } from "./store/check.ts";

const DAY = 24 * 60 * 60_000;

/** Parts of a valid config that have no effect, or are probably mistakes; one line each, with their place. */
export function warnAbout(parsed: InferOutput<typeof configSchema>): string[] {
  const warnings: string[] = [];
  const { server, receive, mirror, endpoints, admin, retention } = parsed;
  const formerTargets = mirror.formerTargets.map((target, at) => [`mirror.formerTargets[${at}]`, target] as const);
  for (const [place, target] of [["mirror.target", mirror.target] as const, ...formerTargets]) {
    warnings.push(...typeOf(target).warn(target, place));
  }
  if (mirror.enabled && server.publicUrl === null && mirror.publicBaseUrl === null) {
    warnings.push("server.publicUrl: is not set: links to media will be http://<hostname>:<port>");
  }
  const { bodies, attempts } = retention;
  if (bodies < DAY) warnings.push("retention.bodies: is less than a day: what is older cannot be sent again");
  if (attempts > bodies) warnings.push("retention.attempts: is longer than retention.bodies, with which attempts go");
  if (admin !== null && admin.listen === server.listen && !server.listen.endsWith(":0")) {
    warnings.push("admin.listen: is server.listen: there will be no admin listener before it has a port of its own");
  }
  if (admin !== null && !isLoopback(parseListen(admin.listen)!.host)) {
    const isHttps = admin.tls !== null || admin.publicUrl?.startsWith("https:");
    if (!isHttps)
      warnings.push("admin: its tokens cross the network unencrypted: set admin.tls, or an https publicUrl");
  }
  if (receive.allowFrom === "any" && receive.token === null) {
    warnings.push("receive.allowFrom: anybody who reaches the relay can send it events: set receive.token");
  }
  warnings.push(...warnAboutStore(parsed));
  if (endpoints.length === 0) warnings.push("endpoints: there is none: events are kept, and sent to nobody");
  for (const [at, endpoint] of endpoints.entries()) {
    const { url, tls } = endpoint;
    if (tls !== null && new URL(url).protocol === "http:") {
      warnings.push(`endpoints[${at}].tls: has no effect: endpoints[${at}].url begins with http://`);
    }
    warnings.push(...warnAboutUrl(endpoint, `endpoints[${at}].url`));
    warnings.push(...warnAboutChoice(endpoint, `endpoints[${at}]`));
  }
  return warnings;
}

type Addressed = Pick<InferOutput<typeof configSchema>["endpoints"][number], "url" | "allowPrivateAddresses">;

/** An address that nothing is sent to, and what others can read on the way or in the file. No lookup is made. */
function warnAboutUrl({ url: given, allowPrivateAddresses: allowed }: Addressed, place: string): string[] {
  const url = new URL(given);
  const warnings: string[] = [];
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const networks = typeof allowed === "boolean" ? allowed : parseNetworks(allowed.filter(looksLikeNetwork));
  const refusal = isIP(host) === 0 ? null : refusalOf(host, networks);
  if (refusal !== null) warnings.push(`${place}: nothing is sent to ${host}: it is ${refusal}`);
  if (url.protocol === "http:" && isPublicHost(host)) {
    warnings.push(
      `${place}: http:// to a public host: events, and links to media, can be read on the way: use https://`,
    );
  }
  if (url.username !== "" || url.password !== "") {
    const header = '"headers": {"authorization": {"file": "…"}}';
    warnings.push(`${place}: a user name and a password stand in it in plain text; ${header} reads them from a file`);
  }
  return warnings;
}

type Choosing = Pick<InferOutput<typeof configSchema>["endpoints"][number], "events" | "filter" | "coalesce">;

/** What an endpoint asks for, and never gets. */
function warnAboutChoice({ events, filter, coalesce }: Choosing, place: string): string[] {
  const warnings: string[] = [];
  const warnAboutType = (given: string, where: string) => {
    const type = nameOf(given);
    const meant = /[*]|^relay\./.test(type) || DOCUMENTED_TYPES.includes(type) ? null : nearest(type, DOCUMENTED_TYPES);
    if (meant === null) return;
    warnings.push(`${where}: "${given}" is not documented: did you mean "${takesOut(given) ? "!" : ""}${meant}"?`);
  };
  /** The later pattern that decides otherwise on all that the one at this index matches. */
  const overruling = (index: number) =>
    events
      .slice(index + 1)
      .find((later) => takesOut(later) !== takesOut(events[index]!) && includes(nameOf(later), nameOf(events[index]!)));
  const isNothing = events.every((pattern, index) => takesOut(pattern) || overruling(index) !== undefined);
  if (isNothing)
    warnings.push(`${place}.events: takes nothing: a pattern with "!" takes out of what those before it take`);
  for (const [index, pattern] of events.entries()) {
    warnAboutType(pattern, `${place}.events[${index}]`);
    const later = isNothing ? undefined : overruling(index);
    if (later === undefined) continue;
    warnings.push(
      `${place}.events[${index}]: "${pattern}" has no effect: "${later}" comes after it, and the last decides`,
    );
  }
  for (const [index, type] of coalesce.entries()) {
    warnAboutType(type, `${place}.coalesce[${index}]`);
    if (!topicMatches(events, type))
      warnings.push(`${place}.coalesce[${index}]: has no effect: ${place}.events does not take "${type}"`);
  }
  for (const [name, list] of Object.entries(filter)) {
    for (const [index, value] of (list ?? []).entries()) {
      if (!value.slice(0, -1).includes("*")) continue;
      warnings.push(`${place}.filter.${name}[${index}]: "${value}": only a "*" at the end stands for more`);
    }
  }
  return warnings;
}
