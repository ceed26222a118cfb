import { errorLine } from "../../errors.ts";
import type { SecretInput } from "../../option-values.ts";
import { readAuthorities } from "../../platform/http/tls-files.ts";
import { type CheckContext, readFileOf } from "../check-context.ts";
import type { SecretsWanted } from "../hidden.ts";
import { collectProblems, type Path } from "../problems.ts";
import { hiddenCredential, OUTSIDE, readSecret } from "../secrets.ts";
import type { Database } from "./database.ts";
import { parsePlace } from "./place.ts";

const URL_PATH: Path = ["store", "url"];

/**
 * Reads `store`; null: there is none. Every command needs it that opens the database, whichever secrets it wants beside: where
 * it reads the others, what is wrong is a problem of the config; else it is said when the database is opened. `sources` gets
 * where its secret is.
 */
export function readStore(
  context: CheckContext,
  { env, wanted, sources }: { env: Record<string, string | undefined>; wanted: SecretsWanted; sources: SecretInput[] },
): Database | null {
  const { valueAt, folder } = context;
  if (valueAt(["store"]) == null) return null;
  const isChecked = wanted === true;
  const problems = isChecked ? context.problems : collectProblems();
  const outside = env.CREDENTIALS_DIRECTORY ? null : isChecked ? context.outside : OUTSIDE;
  const noteUnseen = (path: Path, name: string) => {
    if (isChecked) context.noteUnseen(path, name);
    else problems.add(path, hiddenCredential(name));
  };
  const url = readUrl(valueAt<SecretInput>(URL_PATH));
  const ca = readFileOf(
    ["store", "ca"],
    { ...context, problems, outside, noteUnseen, readsSecrets: true },
    readAuthorities,
  );
  const [why] = isChecked ? [] : problems.lines();
  if (url === null || why !== undefined) return { url: null, why: why ?? "store.url cannot be read here" };
  return { url, ca };

  function readUrl(secret: SecretInput | undefined): string | null {
    if (secret === undefined) return null;
    sources.push(secret);
    try {
      const text = readSecret(secret, { env, folder, outside });
      if (text !== null) parsePlace(text);
      else if (typeof secret === "object" && "credential" in secret) noteUnseen(URL_PATH, secret.credential);
      return text;
    } catch (error) {
      problems.add(URL_PATH, errorLine(error));
      return null;
    }
  }
}
