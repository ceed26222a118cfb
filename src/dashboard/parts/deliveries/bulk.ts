import type { TaskVerb } from "../../../model/task.ts";
import type { CappedCount } from "../../../store/filters.ts";
import { type Html, html } from "../html.ts";
import { confirmOf, type Query } from "../links.ts";
import { capped } from "../tables.ts";

export type DeliveryVerb = TaskVerb & ("retry" | "cancel");

const LABELS = { retry: "Retry", cancel: "Cancel" };

/**
 * Above a list whose rows can be chosen: what is done to the chosen ones, or to all that match, on all pages. Both are asked
 * about first. `matching`: how many match; null: it is not known.
 */
export function bulkBar({
  verb,
  selection,
  matching,
}: {
  verb: DeliveryVerb;
  selection: Query;
  matching: CappedCount | null;
}): Html {
  const label = LABELS[verb];
  const many = matching === null ? "all that match" : `all ${capped(matching)} that match`;
  return html`<div class="bulk"><label class="box"><input type="checkbox" data-every aria-label="Select all on this page"></label><button class="tiny" name="do" value="${verb}" data-chosen="${label}">${label} selected</button><span class="soft">or <a href="${confirmOf(verb, selection)}">${verb} ${many}</a>, on all pages</span></div>`;
}
