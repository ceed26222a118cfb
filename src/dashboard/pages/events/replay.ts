import { replayEvent } from "../../../actions/events.ts";
import { withAround } from "../../../actions/outcome/around.ts";
import { RelayError } from "../../../errors.ts";
import { wants } from "../../../rules/topics.ts";
import { topicOfStored } from "../../../wochit/event.ts";
import { type Act, type Form, type Page, requireOperator, type View, type Visit } from "../../page.ts";
import { type Choice, choicesOf, linkButton, select } from "../../parts/forms.ts";
import { flag, html } from "../../parts/html.ts";
import { pageOf } from "../../parts/links.ts";
import { notice } from "../../parts/notices.ts";
import { id as idText, text, typeName } from "../../parts/text.ts";

// One event again, as new deliveries: to which endpoints, and under which id.

const PATH = "/events/:id/replay";

const NOTHING: Form = { fields: {}, all: () => [] };

export const replayPage: Page = { path: PATH, section: "/events", show: (visit) => ask(visit, NOTHING) };

async function ask(visit: Visit, { fields }: Form, problem?: RelayError): Promise<View> {
  requireOperator(visit);
  const { place, path } = visit;
  const event = await place.store.event(path.id!);
  const [{ around } = { around: { title: null } }] = await withAround(place.store, [event]);
  const { id, type, dialect, context, videoId } = event;
  const subject = { topic: topicOfStored(event), context, videoId };
  const wanting = place.config.endpoints.filter((one) => wants(one, subject)).map((one) => one.id);
  const those = wanting.length === 0 ? "choose one" : `those that want it: ${wanting.join(", ")}`;
  const choices: Choice[] = choicesOf(
    place.config.endpoints.map((one) => one.id),
    those,
  );
  const own = pageOf.event(id);
  const name = typeName(type, dialect === "legacy");
  return {
    title: "Replay the event?",
    heading: html`Replay ${name}?`,
    live: false,
    crumbs: html`<a href="/events">Events</a> / <a class="id" href="${own}">${idText(id)}</a>`,
    ...(problem !== undefined && { notice: notice("bad", text(`${problem.message}.`, 500)), status: 409 as const }),
    shell: [`wochit-relay events replay ${id}`],
    content: html`<form class="sure stack" method="post" action="${own}/replay"><div class="card pad stack">${around.title !== null && html`<p dir="auto">${text(around.title)}</p>`}${select("To", "endpoint", choices, fields.endpoint)}<label class="check"><input type="checkbox" name="newId" value="true"${flag("checked", fields.newId === "true")}> Under a new webhook-id, for an app that has lost what it took</label><ul><li>Each endpoint gets a new delivery, last in order of this video, built of what is known now.</li><li>The webhook-id stays the same unless you ask for a new one: an app that keeps it does nothing twice.</li><li>It is written to the audit, with your address.</li></ul></div><div class="actions"><button class="primary">Replay it</button>${linkButton(own, "Do nothing")}</div></form>`,
  };
}

export const replayActs: Act[] = [
  {
    path: PATH,
    page: ({ id }) => pageOf.event(id!),
    async run(visit, form) {
      const { place, path } = visit;
      const { endpoint, newId } = form.fields;
      const options = { endpoint, newId: newId === "true" };
      try {
        const made = await replayEvent(place.store, place.config, path.id!, options, place.ports.clock.now());
        return { to: pageOf.event(path.id!), notice: "replayed", n: made.length };
      } catch (error) {
        if (!(error instanceof RelayError) || !["conflict", "not_found"].includes(error.code)) throw error;
        return ask(visit, form, error);
      }
    },
  },
];
