import { RelayError } from "../errors.ts";
import type { Form } from "./page.ts";

/** The largest form, in bytes: the ids of a page, many times over. */
const MOST_BYTES = 256 * 2 ** 10;

/** The fields of a form of at most `most` bytes. RelayError("body_too_large"). */
export async function readForm({ body }: Pick<Request, "body">, most = MOST_BYTES): Promise<Form> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > most) throw new RelayError("body_too_large", `a form here has at most ${most} bytes`);
    chunks.push(chunk);
  }
  const params = new URLSearchParams(new TextDecoder().decode(Buffer.concat(chunks)));
  return {
    fields: Object.fromEntries([...params].filter(([, value]) => value !== "")),
    all: (name) => params.getAll(name).filter((value) => value !== ""),
  };
}
