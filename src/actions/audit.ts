import { type AuditEntry, DEEDS } from "../model/audit.ts";
import { shortTime } from "./format.ts";
import { isoTime, pick } from "./json.ts";
import { list, walk } from "./list.ts";

export function auditJson(entry: AuditEntry) {
  return { id: entry.id, at: isoTime(entry.at), ...pick(entry, "through by verb subject count outcome") };
}
export type AuditJson = ReturnType<typeof auditJson>;

export const audit = list({
  filters: {
    verb: { words: DEEDS, help: "only of this verb" },
    by: { value: "NAME", help: "only by this one: as the list shows it" },
  },
  rows: ({ store }, query) => walk((page) => store.audit(page), query, auditJson),
  columns: [
    { title: "AT", value: ({ at }) => shortTime(at), whole: true },
    { title: "BY", value: ({ by }) => by, whole: true },
    { title: "THROUGH", value: ({ through }) => through, whole: true },
    { title: "VERB", value: ({ verb }) => verb, whole: true },
    { title: "SUBJECT", value: ({ subject }) => subject, whole: true },
    { title: "COUNT", value: ({ count }) => count, whole: true },
    { title: "OUTCOME", value: ({ outcome }) => outcome, below: true },
  ],
});
