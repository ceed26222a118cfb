import { type FoundKind, findAnything } from "../../actions/find.ts";
import { RelayError } from "../../errors.ts";
import type { Program } from "../program.ts";

/** What shows one thing of a kind. */
const SHOWS: Record<Exclude<FoundKind, "medium">, string> = {
  event: "events show",
  delivery: "deliveries show",
  quarantined: "quarantine show",
  task: "tasks show",
  video: "videos show",
  endpoint: "endpoints show",
};

/** An error that says of nothing that it is there, with the command that shows what there is by this text, where there is something. */
export async function pointElsewhere(program: Program, error: RelayError, text: string): Promise<RelayError> {
  // It has advice already.
  if (/wochit-relay |did you mean/.test(error.message)) return error;
  const command = await findCommand(program, text).catch(() => null);
  if (command === null) return error;
  return new RelayError(error.code, `${error.message}: "wochit-relay ${command}" shows what there is of it`);
}

async function findCommand(program: Program, text: string): Promise<string | null> {
  const config = await program.loadConfigToRead({ isQuiet: true });
  const store = await program.openStore(config);
  const found = await findAnything({ store, config }, text);
  if (found.is === "one") {
    if (found.kind === "medium") return `media list --video-id ${quote((await store.medium(found.id)).videoId)}`;
    return `${SHOWS[found.kind]} ${quote(found.id)}`;
  }
  if (found.ofContext.length > 0) return `contexts show ${quote(text)}`;
  return (found.byTitle ?? []).length > 0 ? `videos list --title ${quote(text)}` : null;
}

/** As it is typed in a shell. */
const quote = (text: string) => (/^[\w.:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
