import type { InferOutput } from "valibot";
import { nearest } from "../rules/nearest.ts";
import { typeOf } from "../targets/table.ts";
import type { configSchema } from "./schema.ts";

/** Options of later versions: they are accepted and do nothing yet. */
const WITHOUT_EFFECT: Record<string, string> = {
  admin: "this version has no admin listener yet",
  retention: "this version keeps everything for now",
};

/** The types that the provider documents. Others may follow, so an unknown one is a warning. */
const DOCUMENTED = ["video.ready", "video.delete", "draft.new", "draft.update", "draft.exit", "draft.delete"];

/** Parts of a valid config that have no effect, or are probably mistakes; one line each, with their place. */
export function warnAbout(raw: object, parsed: InferOutput<typeof configSchema>): string[] {
  const warnings: string[] = [];
  for (const [option, why] of Object.entries(WITHOUT_EFFECT)) {
    if ((raw as Record<string, unknown>)[option] != null) warnings.push(`${option}: has no effect: ${why}`);
  }
  const { server, receive, mirror, endpoints } = parsed;
  const formerTargets = mirror.formerTargets.map((target, at) => [`mirror.formerTargets[${at}]`, target] as const);
  for (const [place, target] of [["mirror.target", mirror.target] as const, ...formerTargets]) {
    warnings.push(...typeOf(target).warn(target, place));
  }
  if (mirror.enabled && server.publicUrl === null && mirror.publicBaseUrl === null) {
    warnings.push("server.publicUrl: is not set: links to media will be http://<hostname>:<port>");
  }
  if (receive.allowFrom === "any" && receive.token === null) {
    warnings.push("receive.allowFrom: anybody who reaches the relay can send it events: set receive.token");
  }
  if (endpoints.length === 0) warnings.push("endpoints: there is none: events are kept, and sent to nobody");
  for (const [at, { events, url, tls }] of endpoints.entries()) {
    if (tls !== null && new URL(url).protocol === "http:") {
      warnings.push(`endpoints[${at}].tls: has no effect: endpoints[${at}].url begins with http://`);
    }
    for (const [index, pattern] of events.entries()) {
      const meant = /[*]|^relay\./.test(pattern) || DOCUMENTED.includes(pattern) ? null : nearest(pattern, DOCUMENTED);
      if (meant)
        warnings.push(`endpoints[${at}].events[${index}]: "${pattern}" is not documented: did you mean "${meant}"?`);
    }
  }
  return warnings;
}
