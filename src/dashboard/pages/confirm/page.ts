import { errorTable, RelayError } from "../../../errors.ts";
import { type Act, type Form, type Page, requireOperator, type View, type Visit } from "../../page.ts";
import { linkButton } from "../../parts/forms.ts";
import { html } from "../../parts/html.ts";
import { notice } from "../../parts/notices.ts";
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

function questionOf({ fields }: Form): Question {
  const { do: name = "" } = fields;
  if (!Object.hasOwn(QUESTIONS, name))
    throw new RelayError("bad_request", "the address names nothing that could be done");
  return QUESTIONS[name]!;
}

export const confirmPage: Page = {
  path: "/confirm",
  section: null,
  async show(visit) {
    requireOperator(visit);
    const given = { fields: visit.query, all: visit.all };
    return questionOf(given).ask(visit, given);
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
      try {
        return await question.answer(visit, form);
      } catch (error) {
        if (!(error instanceof RelayError) || error.code === "store_unavailable") throw error;
        return askAgain(question, visit, form, error);
      }
    },
  },
];
