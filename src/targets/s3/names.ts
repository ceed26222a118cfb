import { RelayError } from "../../errors.ts";

/** The parts of a key: what `keyOf` makes, and nothing that a client or a store could take for anything but a name. */
const KEY_PART = /^[\w~-][\w.~-]{0,254}$/;

/** The name of the object that holds a key. Throws where the key is none: no id from the network leads out of the prefix. */
export function objectName(prefix: string, key: string): string {
  if (!key.split("/").every((part) => KEY_PART.test(part))) {
    throw new RelayError("internal", `${JSON.stringify(key)} is no key of a mirrored file`);
  }
  return prefix === "" ? key : `${prefix}/${key}`;
}
