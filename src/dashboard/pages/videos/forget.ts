import { forgetVideo } from "../../../actions/videos.ts";
import { RelayError } from "../../../errors.ts";
import { type Act, type Page, requireOperator, type View, type Visit } from "../../page.ts";
import { linkButton } from "../../parts/forms.ts";
import { html } from "../../parts/html.ts";
import { pageOf } from "../../parts/links.ts";
import { notice } from "../../parts/notices.ts";
import { id as idText, text } from "../../parts/text.ts";

// A person's video, erased on request. It cannot be undone, so its id is to be written once more.

const PATH = "/videos/:id/forget";

export const forgetPage: Page = { path: PATH, section: "/videos", show: (visit) => ask(visit) };

/** `problem`: why it was not done, with what was written. */
async function ask(visit: Visit, problem?: { message: string; given: string; status: 400 | 409 }): Promise<View> {
  requireOperator(visit);
  const { place, path } = visit;
  const { videoId, title, forgottenAt } = await place.store.video(path.id!, 0);
  const own = pageOf.video(videoId);
  const what = title === null ? idText(videoId) : text(title, 200);
  const state = forgottenAt === null ? "" : html`<p>It was erased before; what came of it since is erased now.</p>`;
  return {
    title: "Forget the video?",
    heading: html`Forget ${what}?`,
    live: false,
    crumbs: html`<a href="/videos">Videos</a> / <a class="id" href="${own}">${idText(videoId)}</a>`,
    ...(problem !== undefined && { notice: notice("bad", text(problem.message, 500)), status: problem.status }),
    content: html`<form class="sure stack" method="post" action="${own}/forget"><div class="card pad stack">${state}<ul><li><b>This cannot be undone.</b> Its copies are deleted, in the target, too; bodies, titles, contexts, links and answers are erased.</li><li>What is on its way to your apps is canceled. What they have is theirs to erase.</li><li>Backups hold it until they are replaced. The row stays, so that a repeated event is known.</li><li>It is written to the audit, with your address.</li></ul><label class="half" for="confirm">To confirm, write its id: <span class="id">${text(videoId, 300)}</span><input id="confirm" name="confirm" value="${problem?.given ?? ""}" autocomplete="off" spellcheck="false" required${problem !== undefined && html` autofocus`}></label></div><div class="actions"><button class="danger">Forget it</button>${linkButton(own, "Do nothing")}</div></form>`,
  };
}

export const forgetActs: Act[] = [
  {
    path: PATH,
    page: ({ id }) => pageOf.video(id!),
    async run(visit, { fields: { confirm = "" } }) {
      const { place, path } = visit;
      if (confirm !== path.id) {
        const message = "That is not its id: nothing was erased.";
        return ask(visit, { message, given: confirm.slice(0, 300), status: 400 });
      }
      try {
        const { events } = await forgetVideo(place.store, confirm, place.ports.clock.now());
        return { to: pageOf.video(confirm), notice: "forgotten", n: events };
      } catch (error) {
        if (!(error instanceof RelayError) || error.code !== "conflict") throw error;
        return ask(visit, { message: `${error.message}.`, given: confirm, status: 409 });
      }
    },
  },
];
