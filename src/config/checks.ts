import { accessSync, constants } from "node:fs";
import { folderOfAnother, ownFolders } from "../targets/own-folders.ts";
import { type CheckContext, readEndpoints, readFileOf } from "./check-context.ts";
import { isLoopback, isOwnWebhook } from "./own-webhook.ts";
import type { Path, Problems } from "./problems.ts";
import { type Config, parseListen } from "./schema.ts";
import { checkStore } from "./store/check.ts";

// What the schema cannot say: options that must fit each other, and files.

export function checkConfig(context: CheckContext): void {
  for (const listener of ["server", "admin"]) {
    for (const file of ["cert", "key"]) {
      readFileOf([listener, "tls", file], context, (path) => accessSync(path, constants.R_OK));
    }
  }
  checkAdmin(context);
  checkBackup(context);
  checkArchive(context);
  const owners = new Map<string, number>();
  for (const at of readEndpoints(context).keys()) checkEndpoint(at, context, owners);
}

function checkEndpoint(at: number, context: CheckContext, owners: Map<string, number>): void {
  const { valueAt, problems } = context;
  const path: Path = ["endpoints", at];
  const id = valueAt<string>([...path, "id"]);
  const owner = id === undefined ? undefined : owners.get(id);
  if (owner !== undefined) problems.add([...path, "id"], `"${id}" is the id of endpoints[${owner}] already`);
  else if (id !== undefined) owners.set(id, at);
  const url = valueAt<string>([...path, "url"]);
  if (url !== undefined && isOwnWebhook(url, context)) {
    problems.add([...path, "url"], "is this relay's own webhook: each event would come back as a new one, for ever");
  }
}

/** Refuses a backup where the public can read it: it holds every event, title and secret link. */
function checkBackup({ valueAt, problems }: CheckContext): void {
  if (valueAt(["backup", "to"]) !== "target") return;
  if (valueAt(["mirror", "publicBaseUrl"]) != null) {
    problems.add(
      ["backup", "to"],
      'must be "dir": with mirror.publicBaseUrl the target is public, and a backup is not',
    );
  }
  if (valueAt(["backup", "dir"]) !== undefined) problems.add(["backup", "dir"], 'is only for "to": "dir"');
}

/** The same for the archive. */
function checkArchive({ valueAt, problems }: CheckContext): void {
  if (valueAt(["retention", "archive"]) !== "target" || valueAt(["mirror", "publicBaseUrl"]) == null) return;
  problems.add(
    ["retention", "archive"],
    'must be {"dir": "…"}: with mirror.publicBaseUrl the target is public, and the archive is not',
  );
}

/** What is judged of the config as a whole, with its paths. */
export function checkBuilt(config: Config, problems: Problems): void {
  checkArchiveFolder(config, problems);
  checkStore(config, problems);
}

/** The archive outlives what lies in the relay's other folders, and what is removed there is not looked at. */
function checkArchiveFolder(config: Config, problems: Problems): void {
  const { archive } = config.retention;
  const other = archive === null || archive === "target" ? null : folderOfAnother(archive.dir, ownFolders(config));
  if (other === null) return;
  problems.add(
    ["retention", "archive", "dir"],
    `must be a folder of its own: it is, or lies in, ${other.path}, ${other.name}`,
  );
}

/** Beyond loopback the listener needs a token that the operator chose; at two tokens of one name the audit cannot tell them apart. */
function checkAdmin({ valueAt, problems }: CheckContext): void {
  const { host } = parseListen(valueAt<string>(["admin", "listen"]) ?? "") ?? {};
  const tokens = valueAt<{ name?: unknown }[]>(["admin", "tokens"]);
  const owners = new Map<unknown, number>();
  for (const [at, token] of (Array.isArray(tokens) ? tokens : []).entries()) {
    const owner = owners.get(token?.name);
    if (owner === undefined) owners.set(token?.name, at);
    else problems.add(["admin", "tokens", at, "name"], `"${token.name}" is the name of admin.tokens[${owner}] already`);
  }
  if (host === undefined || problems.has(["admin", "token"]) || valueAt(["admin", "token"]) != null) return;
  if (isLoopback(host) || owners.size > 0) return;
  problems.add(["admin", "token"], "is needed because admin.listen is not a loopback address");
}
