import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { errorLine } from "../errors.ts";
import { NOTICE_PREFIX, NOTICES } from "../model/notice.ts";
import { looksLikeNetwork, parseNetworks } from "../platform/net/addresses.ts";
import { isHostName } from "../platform/net/outbound.ts";
import { suggest } from "../rules/nearest.ts";
import { isReservedHeader } from "../rules/reserved-headers.ts";
import { type CheckContext, readEndpoints } from "./check-context.ts";
import { isLoopback, isOwnWebhook } from "./own-webhook.ts";
import type { Path, Problems } from "./problems.ts";
import { parseListen } from "./schema.ts";
import { isOutOfSight, reasonOf } from "./secrets.ts";

// What the schema cannot say: values that need a parser of their own, and options that must fit each other.

export function checkConfig(context: CheckContext): void {
  const { valueAt, problems } = context;
  checkNetworks(valueAt(["server", "trustedProxies"]), ["server", "trustedProxies"], problems);
  checkNetworks(valueAt(["receive", "allowFrom"]), ["receive", "allowFrom"], problems);
  const path = valueAt<string>(["receive", "path"]) ?? "";
  if (/^\/(healthz|readyz|media)(\/|$)/.test(path)) {
    problems.add(["receive", "path"], `${path} is taken: /healthz, /readyz and /media are the relay's own`);
  }
  checkPrivate(valueAt(["mirror", "allowPrivateAddresses"]), ["mirror", "allowPrivateAddresses"], problems);
  if (context.readsSecrets) checkTls(context);
  checkAdmin(context);
  checkBackup(context);
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
  for (const [index, pattern] of (valueAt<string[]>([...path, "events"]) ?? []).entries()) {
    const why = patternProblem(pattern);
    if (why) problems.add([...path, "events", index], why);
  }
  for (const [name, value] of Object.entries(valueAt<Record<string, string>>([...path, "headers"]) ?? {})) {
    const why = headerProblem(name, value);
    if (why) problems.add([...path, "headers", name], why);
  }
  const url = valueAt<string>([...path, "url"]);
  if (url !== undefined && isOwnWebhook(url, context)) {
    problems.add([...path, "url"], "is this relay's own webhook: each event would come back as a new one, for ever");
  }
  const privates: Path = [...path, "allowPrivateAddresses"];
  checkPrivate(valueAt(privates), privates, problems);
}

/** A pattern is an exact name, `*`, or a prefix with `.*` (rules/topics.ts matches them). */
function patternProblem(pattern: string): string | null {
  if (/[\s\p{Cc}]/u.test(pattern)) return "must be without spaces and control characters";
  if (pattern === "*") return null;
  if (pattern.replace(/\.\*$/, "").includes("*") || pattern === ".*") {
    return 'must be an event type, "*", or a prefix like "video.*"';
  }
  // The provider may send unknown types; the relay's own types are all known.
  if (!pattern.startsWith(NOTICE_PREFIX) || NOTICES.some((notice) => notice === pattern)) return null;
  if (pattern.endsWith(".*") && NOTICES.some((notice) => notice.startsWith(pattern.slice(0, -1)))) return null;
  return `the relay has no such notice${suggest(pattern, NOTICES)}`;
}

function headerProblem(name: string, value: string): string | null {
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(name)) return "is not the name of an HTTP header"; // RFC 9110, 5.6.2
  if (isReservedHeader(name)) return "is a header that the relay sets itself";
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return "has a character that a header cannot hold";
  return null;
}

function checkNetworks(list: string[] | string | undefined, path: Path, problems: Problems): void {
  if (!Array.isArray(list)) return;
  for (const [at, entry] of list.entries()) checkNetwork(entry, [...path, at], problems);
}

function checkNetwork(entry: string, path: Path, problems: Problems): void {
  try {
    parseNetworks([entry]);
  } catch (error) {
    problems.add(path, errorLine(error));
  }
}

const HOST = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i;

function checkPrivate(list: string[] | boolean | undefined, path: Path, problems: Problems): void {
  if (!Array.isArray(list)) return;
  for (const [at, entry] of list.entries()) {
    if (looksLikeNetwork(entry)) checkNetwork(entry, [...path, at], problems);
    else if (!HOST.test(entry) || !isHostName(entry))
      problems.add([...path, at], `"${entry}" is neither a CIDR nor a host name`);
  }
}

function checkTls({ valueAt, problems, folder, outside, noteUnseen }: CheckContext): void {
  for (const name of ["cert", "key"]) {
    const path: Path = ["server", "tls", name];
    const given = valueAt<string>(path);
    if (given === undefined) continue;
    const file = resolve(folder, given);
    try {
      accessSync(file, constants.R_OK);
    } catch (error) {
      if (isOutOfSight(file, outside)) noteUnseen(path, file);
      else problems.add(path, `cannot read ${file}: ${reasonOf(error)}`);
    }
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

function checkAdmin({ valueAt, problems }: CheckContext): void {
  const { host } = parseListen(valueAt<string>(["admin", "listen"]) ?? "") ?? {};
  if (host === undefined || problems.has(["admin", "token"]) || valueAt(["admin", "token"]) != null) return;
  if (isLoopback(host)) return;
  problems.add(["admin", "token"], "is needed because admin.listen is not a loopback address");
}
