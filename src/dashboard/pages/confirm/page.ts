import { errorTable, RelayError } from "../../../errors.ts";
import { type Act, type Form, type Page, requireOperator, type View, type Visit } from "../../page.ts";
import { linkButton } from "../../parts/forms.ts";
import { html } from "../../parts/html.ts";
import { notice } from "../../parts/notices.ts";
import { empty } from "../../parts/tables.ts";
import { text } from "../../parts/text.ts";
import { many } from "./many.ts";
import { mediaRetry } from "./media.ts";
import type { Question } from "./question.ts";
import { verify } from "./verify.ts";

/** What is asked about, by its name in the address (`do`). */
const QUESTIONS: Record<string, Question> = {
  retry: many("retry"),
  cancel: many("cancel"),
  replay: many("replay"),
  reprocess: many("reprocess"),
  verify,
  "media-retry": mediaRetry,
};

/** Null: the address says nothing that could be done. */
const questionOf = ({ fields: { do: name = "" } }: Form): Question | null =>
  Object.hasOwn(QUESTIONS, name) ? QUESTIONS[name]! : null;

const nothing = (): View => ({
  ...{ title: "Nothing is chosen", status: 400, live: false },
  content: empty(
    "The address does not say what is to be done",
    html`<p>What is done to many begins in their list. Here it is counted first.</p><p class="actions">${["Deliveries", "Events", "Media", "Quarantine"].map((name) => linkButton(`/${name.toLowerCase()}`, name))}</p>`,
  ),
});

export const confirmPage: Page = {
  path: "/confirm",
  section: null,
  async show(visit) {
    requireOperator(visit);
    const given = { fields: visit.query, all: visit.all };
    return questionOf(given)?.ask(visit, given) ?? nothing();
  },
};

/** The question again, with what is wrong above it. */
async function askAgain(question: Question, visit: Visit, form: Form, error: RelayError): Promise<View> {
  const { message, code } = error;
  const tasks = code === "task_running" && html` ${linkButton("/tasks", "Look at it", "tiny")}`;
  const said = notice("bad", html`${text(message, 500)}.${tasks}`);
  const status = errorTable[code].status === 409 ? 409 : 400;
  return { ...(await question.ask(visit, form)), notice: said, status };
}

export const confirmActs: Act[] = [
  {
    path: "/confirm",
    page: () => "/confirm",
    async run(visit, form) {
      const question = questionOf(form);
      if (question === null) return nothing();
      try {
        return await question.answer(visit, form);
      } catch (error) {
        if (!(error instanceof RelayError) || error.code === "store_unavailable") throw error;
        return askAgain(question, visit, form, error);
      }
    },
  },
];
