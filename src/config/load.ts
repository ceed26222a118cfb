import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type InferOutput, safeParse } from "valibot";
import { errorLine, RelayError } from "../errors.ts";
import type { SecretInput } from "../option-values.ts";
import { typeOf } from "../targets/table.ts";
import { buildAlerts, readAlertUrls } from "./alerts/urls.ts";
import { type CheckContext, readEndpoints } from "./check-context.ts";
import { checkBuilt, checkConfig } from "./checks.ts";
import { readEndpointTls } from "./endpoint-tls.ts";
import { describeSecrets, type SecretsWanted } from "./hidden.ts";
import {
  addIssue,
  collectProblems,
  findShapeProblems,
  formatPath,
  type Path,
  type Problems,
  type Shape,
} from "./problems.ts";
import { readJson } from "./read-json.ts";
import { type Config, configSchema, type Endpoint } from "./schema.ts";
import {
  checkAdminToken,
  checkNamedToken,
  checkToken,
  describeUnseen,
  hiddenCredential,
  type Outside,
  readSecret,
  refuseSameTokens,
  warnAboutTokens,
} from "./secrets.ts";
import { readStore } from "./store/read.ts";
import { checkTargets, readTargetSecrets } from "./targets.ts";
import { HEADER_VALUE, NO_HEADER_VALUE } from "./values.ts";
import { warnAbout } from "./warnings.ts";
import { decodeSecret } from "./webhook-secret.ts";

type Env = Record<string, string | undefined>;

/**
 * All findings, one line each; `config` is null when there is a problem. `unseen`: the places of secrets and
 * certificates that only the service can read. A warning lists them, and the config holds nothing for them.
 */
export type Inspection = {
  config: Config | null;
  problems: string[];
  warnings: string[];
  unseen: string[];
  /**
   * Whether the file holds a secret itself, and the absolute paths and the variables of those that it names; null: it cannot
   * be parsed.
   */
  secrets: { inline: boolean; files: string[]; variables: string[] } | null;
};

/** Headers whose text in the file is a secret: the credentials for a gateway before an app. */
const SECRET_HEADER = /^authorization$|(key|token|secret)$/i;

/**
 * The config file: the one named by the flag, by $WOCHIT_RELAY_CONFIG, ./config.json, /etc/wochit-relay/config.json, or
 * null: the defaults. A file that exists but cannot be read counts as found: a missing permission must not lead to the
 * defaults.
 */
export function locateConfig(flag: string | undefined, env: Env, cwd: string): string | null {
  if (flag !== undefined) return resolve(cwd, flag);
  if (env.WOCHIT_RELAY_CONFIG) return resolve(cwd, env.WOCHIT_RELAY_CONFIG);
  return [resolve(cwd, "config.json"), "/etc/wochit-relay/config.json"].find(isThere) ?? null;
}

function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/**
 * What a config depends on beside its file. All secrets are read by default. With `outside`, a systemd credential is
 * read from the running service's folder. One that cannot be read there is a warning, with `secrets: "target"` a
 * problem, unless $CREDENTIALS_DIRECTORY names the folder.
 */
export type Where = { env: Env; cwd: string; secrets?: SecretsWanted; outside?: Outside };

/** Reads and checks a config file (null: the defaults). Opens nothing but it and the secrets that it names. */
export function inspectConfig(path: string | null, where: Where): Inspection {
  const problems = collectProblems();
  const raw = path === null ? {} : readJson(path, problems);
  return raw === undefined ? refuse(problems.lines()) : inspectJson(raw, path, where, problems);
}

/** Checks what a config file (null: the defaults) says, or would say: nothing of it is read from `path`. */
export function inspectJson(
  raw: unknown,
  path: string | null,
  where: Where,
  problems: Problems = collectProblems(),
): Inspection {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw))
    return refuse(["the config must be a JSON object"]);
  findShapeProblems(configSchema as unknown as Shape, raw, [], problems);
  const parsed = safeParse(configSchema, raw);
  for (const issue of parsed.issues ?? []) addIssue(problems, issue);

  const folder = path === null ? where.cwd : dirname(path);
  const { env, secrets: reads = true } = where;
  const valueAt = <Value>(at: Path) => readValue<Value>(parsed.output, at, problems);
  const dataDir = resolve(folder, valueAt(["dataDir"]) ?? (env.STATE_DIRECTORY?.split(":")[0] || "data"));
  const outside = env.CREDENTIALS_DIRECTORY ? null : (where.outside ?? null);
  const unseen: { place: string; name: string }[] = [];
  const noteUnseen = (at: Path, name: string) => {
    // A command that opens a target needs its keys; a check of the config does not.
    if (reads === "target") problems.add(at, hiddenCredential(name));
    else unseen.push({ place: formatPath(at), name });
  };
  const context = { valueAt, problems, folder, dataDir, readsSecrets: reads === true, outside, noteUnseen };
  checkConfig(context);
  checkTargets(context);
  const secrets = readSecrets(context, env, reads);
  refuseSameTokens(secrets, problems);
  const tls = readEndpoints(context).map((_, at) => readEndpointTls(["endpoints", at], context));
  const found = problems.lines();
  if (found.length > 0 || !parsed.success) return refuse(found, secrets.sources);
  const warnings = warnAbout(parsed.output);
  warnings.push(...warnAboutTokens(secrets));
  if (outside !== null && unseen.length > 0) warnings.push(describeUnseen(unseen, outside));
  const config = buildConfig(parsed.output, { file: path, folder, dataDir, secrets, tls, warnings });
  checkBuilt(config, problems);
  if (problems.lines().length > 0) return refuse(problems.lines(), secrets.sources);
  return {
    config,
    problems: [],
    warnings,
    unseen: unseen.map(({ place }) => place),
    secrets: secrets.sources,
  };
}

function refuse(problems: string[], secrets: Inspection["secrets"] = null): Inspection {
  return { config: null, problems, warnings: [], unseen: [], secrets };
}

/** The config of a file (null: the defaults). RelayError("config") with every problem, one line each. */
export function loadConfig(path: string | null, where: Where): Config {
  const { config, problems } = inspectConfig(path, where);
  if (config) return config;
  throw new RelayError("config", problems.map((line) => (path === null ? line : `${path}: ${line}`)).join("\n"));
}

type Given = {
  file: string | null;
  folder: string;
  dataDir: string;
  secrets: ReturnType<typeof readSecrets>;
  tls: Endpoint["tls"][];
  warnings: string[];
};

function buildConfig(parsed: InferOutput<typeof configSchema>, given: Given): Config {
  const { file, folder, dataDir, secrets, warnings } = given;
  const { $schema, server, receive, mirror, endpoints, admin, backup, alerts, retention, store: _, ...rest } = parsed;
  const { token, ...receiveRest } = receive;
  const absolute = (tls: typeof server.tls) =>
    tls && { cert: resolve(folder, tls.cert), key: resolve(folder, tls.key) };
  const [target, ...formerTargets] = [mirror.target, ...mirror.formerTargets].map((options, at) =>
    typeOf(options).resolve(options, { folder, dataDir, secrets: secrets.targets[at] ?? {} }),
  );
  return {
    ...rest,
    file,
    dataDir,
    server: { ...server, tls: absolute(server.tls) },
    receive: { ...receiveRest, tokens: secrets.tokens },
    mirror: { ...mirror, target: target!, formerTargets },
    endpoints: endpoints.map(({ secret, send, headers, ...endpoint }, at) => ({
      ...endpoint,
      keys: secrets.keys[at] ?? [],
      secrets: secrets.marks[at] ?? [],
      headers: secrets.headers[at] ?? {},
      headerNames: Object.keys(headers),
      tls: given.tls[at] ?? null,
      // Waiting for media changes nothing in verbatim bytes.
      send: send ?? (endpoint.body === "verbatim" ? "immediately" : "after-mirror"),
    })),
    admin: admin && {
      ...admin,
      tls: absolute(admin.tls),
      token: secrets.adminToken,
      tokens: admin.tokens.flatMap(({ token: _, ...named }, at) => {
        const token = secrets.adminTokens[at];
        return token == null ? [] : [{ ...named, token }];
      }),
    },
    store: secrets.store,
    alerts: alerts && buildAlerts(alerts, secrets.alerts),
    retention: { ...retention, archive: absoluteArchive(retention.archive, folder) },
    backup: backup?.dir === undefined ? backup : { ...backup, dir: resolve(folder, backup.dir) },
    warnings,
  };
}

function absoluteArchive(archive: Config["retention"]["archive"], folder: string): Config["retention"]["archive"] {
  return archive === null || archive === "target" ? archive : { dir: resolve(folder, archive.dir) };
}

function readSecrets(context: CheckContext, env: Env, wanted: SecretsWanted) {
  const { valueAt, problems, folder, outside, noteUnseen } = context;
  const sources: SecretInput[] = [];
  const read = <T>(path: Path, decode: (text: string) => T): T[] => {
    if (wanted === false || wanted === "marks" || (wanted === "target" && path[0] !== "mirror")) return [];
    const given = valueAt<SecretInput | SecretInput[]>(path);
    const list = Array.isArray(given)
      ? given.map((one, at) => [one, [...path, at]] as const)
      : [[given, path] as const];
    return list.flatMap(([secret, place]) => {
      if (secret == null) return [];
      if (isHidden(path, secret)) sources.push(secret);
      try {
        const text = readSecret(secret, { env, folder, outside });
        if (text !== null) return [decode(text)];
        if (typeof secret === "object" && "credential" in secret) noteUnseen([...place], secret.credential);
        return [];
      } catch (error) {
        problems.add([...place], errorLine(error));
        return [];
      }
    });
  };
  const one = <T>(path: Path, decode: (text: string) => T) => read(path, decode)[0] ?? null;
  const endpoints = readEndpoints(context);
  const readHeaders = (path: Path): Record<string, string> =>
    Object.fromEntries(
      Object.keys(valueAt<object>(path) ?? {}).flatMap((name) =>
        read([...path, name], checkHeader).map((value) => [name, value] as const),
      ),
    );
  return {
    tokens: read(["receive", "token"], checkToken),
    adminToken: one(["admin", "token"], checkAdminToken),
    adminTokens: readList(valueAt(["admin", "tokens"])).map((_, at) =>
      one(["admin", "tokens", at, "token"], checkNamedToken),
    ),
    keys: endpoints.map((_, at) => read(["endpoints", at, "secret"], decodeSecret)),
    marks: endpoints.map((_, at) =>
      describeSecrets(
        valueAt<SecretInput | SecretInput[]>(["endpoints", at, "secret"]),
        { env, folder, outside },
        wanted,
      ),
    ),
    headers: endpoints.map((_, at) => readHeaders(["endpoints", at, "headers"])),
    alerts: readAlertUrls(context, one),
    store: readStore(context, { env, wanted, sources }),
    /** Those of `mirror.target`, then those of each of `mirror.formerTargets`. */
    targets: readTargetSecrets(context, one),
    sources: {
      inline:
        sources.some((one) => typeof one === "string") ||
        endpoints.some((_, at) => holdsCredentials(valueAt(["endpoints", at, "url"]))),
      files: sources.flatMap((one) => (typeof one === "object" && "file" in one ? resolve(folder, one.file) : [])),
      variables: sources.flatMap((one) => (typeof one === "object" && "env" in one ? one.env : [])),
    },
  };
}

const readList = (given: unknown): unknown[] => (Array.isArray(given) ? given : []);

/** Whether what an option says is a secret, or where one is. */
function isHidden(path: Path, given: SecretInput): boolean {
  const name = String(path.at(-1));
  if (path[2] === "headers") return typeof given === "object" || SECRET_HEADER.test(name);
  // The id of a key is no secret.
  return !/Id$/.test(name);
}

/** Whether a URL has a user name or a password in it. */
function holdsCredentials(url: string | undefined): boolean {
  const { username, password } = url === undefined ? { username: "", password: "" } : new URL(url);
  return username !== "" || password !== "";
}

/** RelayError("config") for a value that HTTP forbids; the message does not quote it. */
function checkHeader(value: string): string {
  if (HEADER_VALUE.test(value)) return value;
  throw new RelayError("config", NO_HEADER_VALUE);
}

/** The value at a place of the parsed file, also when other parts are wrong; undefined where it is wrong itself. */
function readValue<T>(root: unknown, path: Path, problems: Problems): T | undefined {
  if (path.length > 0 && problems.has(path)) return undefined;
  let value = root;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value as T;
}
