import { readFileSync } from "node:fs";
import { resolve, sep } from "node:path";
import type { Look, Places } from "./look.ts";
import type { Path, Problems } from "./problems.ts";
import { reasonOf } from "./secrets.ts";

// What the schema cannot say of the folders and buckets that copies are, or were, kept in.

/** Checks `mirror.target` and each of `mirror.formerTargets`, all alike. */
export function checkTargets(look: Look, problems: Problems, places: Places): void {
  checkTarget(["mirror", "target"], look, problems, places);
  for (const at of readFormerTargets(look).keys()) checkTarget(["mirror", "formerTargets", at], look, problems, places);
}

/** The list of former targets also when something inside it is wrong: the others deserve their checks all the same. */
export function readFormerTargets(look: Look): unknown[] {
  const targets = look<{ mirror?: { formerTargets?: unknown } | null }>([])?.mirror?.formerTargets;
  return Array.isArray(targets) ? targets : [];
}

function checkTarget(path: Path, look: Look, problems: Problems, { folder, dataDir, readsSecrets }: Places): void {
  if (look<string>([...path, "type"]) === "s3") return checkS3(path, look, problems, readsSecrets ? folder : null);
  const dir = look<string>([...path, "dir"]);
  if (dir === undefined) return;
  // A key begins with an id from the network: nothing of the relay's own may be within its reach.
  const target = resolve(folder, dir);
  if (isWithin(dataDir, target)) {
    problems.add([...path, "dir"], `must not be, or hold, the data folder ${dataDir}`);
  } else if (isWithin(target, resolve(dataDir, "spool"))) {
    problems.add([...path, "dir"], "must not be the spool, which is emptied at a start");
  }
}

/** `folder` is null where no files are looked at. */
function checkS3(path: Path, look: Look, problems: Problems, folder: string | null): void {
  const place = (option: string): Path => [...path, option];
  const isSet = (option: string) => problems.has(place(option)) || look(place(option)) != null;
  if (isSet("accessKeyId") !== isSet("secretAccessKey")) {
    const [there, missing] = isSet("accessKeyId")
      ? ["accessKeyId", "secretAccessKey"]
      : ["secretAccessKey", "accessKeyId"];
    problems.add(
      place(missing),
      `is missing: ${there} is of no use without it; without both, the machine's own are used`,
    );
  }
  if (isSet("sessionToken") && !isSet("accessKeyId")) {
    problems.add(place("sessionToken"), "is of no use without accessKeyId and secretAccessKey");
  }
  const encryption = look<string>(place("serverSideEncryption"));
  if (isSet("kmsKeyId") && !encryption?.startsWith("aws:kms") && !problems.has(place("serverSideEncryption"))) {
    problems.add(place("kmsKeyId"), 'is of no use without "serverSideEncryption": "aws:kms"');
  }
  const ca = look<string>(place("ca"));
  if (ca == null || folder === null) return;
  try {
    if (!/-----BEGIN (TRUSTED )?CERTIFICATE-----/.test(readFileSync(resolve(folder, ca), "utf8"))) {
      problems.add(place("ca"), `${resolve(folder, ca)} holds no certificate in PEM form`);
    }
  } catch (error) {
    problems.add(place("ca"), `cannot read ${resolve(folder, ca)}: ${reasonOf(error)}`);
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
