import { pauseEndpoint, showEndpoint } from "../../../actions/endpoints.ts";
import { type Act, type Page, requireOperator, type View, type Visit } from "../../page.ts";
import { linkButton } from "../../parts/forms.ts";
import { html } from "../../parts/html.ts";
import { pageOf } from "../../parts/links.ts";
import { notice } from "../../parts/notices.ts";
import { number, text } from "../../parts/text.ts";

/** Characters of a reason. */
const MOST = 1_000;

const PATH = "/endpoints/:id/pause";

export const pausePage: Page = { path: PATH, section: "/endpoints", show: (visit) => ask(visit) };

/** Asks before it is done. `given`: a reason that was too long. */
async function ask(visit: Visit, given = ""): Promise<View> {
  requireOperator(visit);
  const { place, path } = visit;
  const { id, waiting, pending, running } = await showEndpoint({
    store: place.store,
    config: place.config,
    id: path.id!,
  });
  const open = waiting + pending + running;
  const own = pageOf.endpoint(id);
  return {
    title: `Pause ${id}?`,
    heading: html`Pause ${text(id)}?`,
    crumbs: html`<a href="/endpoints">Endpoints</a> / <a href="${own}">${text(id)}</a>`,
    live: false,
    ...(given !== "" && { status: 400, notice: notice("bad", `The reason has more than ${MOST} characters.`) }),
    shell: [`wochit-relay endpoints pause ${id} --reason TEXT`],
    content: html`<form class="sure stack" method="post" action="${own}/pause"><div class="card pad stack tight"><ul><li>Nothing is sent to it until you resume it, also after a restart. What runs is not interrupted.</li><li>What is for it waits (${number(open)} now), uses up no attempts, and is not lost.</li><li>Written to the audit, with your address and the reason, which its page shows.</li></ul><label class="lines" for="reason">Why? Others read it at night<input id="reason" name="reason" maxlength="${MOST}" value="${given}" autocomplete="off"></label></div><div class="actions"><button class="primary">Pause it</button>${linkButton(own, "Do nothing")}</div></form>`,
  };
}

export const pauseActs: Act[] = [
  {
    path: PATH,
    page: ({ id }) => pageOf.endpoint(id!),
    async run(visit, { fields: { reason } }) {
      const { place, path, visitor } = visit;
      if (reason !== undefined && reason.length > MOST) return ask(visit, reason);
      const target = { store: place.store, config: place.config, id: path.id! };
      const why = { reason: reason?.trim() || null, by: `paused by ${visitor.name}` };
      await pauseEndpoint(target, why, place.ports.clock.now());
      return { to: pageOf.endpoint(path.id!), notice: "paused" };
    },
  },
];
