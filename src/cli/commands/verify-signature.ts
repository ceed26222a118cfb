import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parseDuration } from "../../config/units.ts";
import { decodeSecret } from "../../config/webhook-secret.ts";
import { errorLine, RelayError } from "../../errors.ts";
import { TOLERANCE, verify } from "../../forward/signature.ts";
import { type Args, type Command, type Context, jsonOption } from "../command.ts";
import { printJson } from "../output/lists.ts";

const VARIABLE = "WOCHIT_RELAY_SECRET";

export const command: Command = {
  name: "verify-signature",
  summary: "says whether a received message is signed with a secret, or why not",
  options: {
    body: { type: "string", short: "b", value: "FILE", help: "the body as it was received (default: standard input)" },
    header: { type: "string", short: "H", multiple: true, value: '"NAME: VALUE"', help: "a header as it was received" },
    id: { type: "string", value: "TEXT", help: "the webhook-id header" },
    timestamp: { type: "string", value: "SECONDS", help: "the webhook-timestamp header" },
    signature: { type: "string", value: "TEXT", help: "the webhook-signature header" },
    "secret-file": { type: "string", value: "FILE", help: "the file that holds the secret" },
    secret: {
      type: "string",
      multiple: true,
      value: "whsec_…",
      help: "the secret itself; other users can see it in ps",
    },
    tolerance: { type: "string", value: "TIME", help: 'how far its time may be off, like "5m" (the default) or "90d"' },
    ...jsonOption,
  },
  help: `The secret may also be in the environment variable ${VARIABLE}. Exit code 0: valid, 1: not.
  wochit-relay verify-signature --body body.json -H "webhook-id: …" -H "webhook-timestamp: …" -H "webhook-signature: …"`,
  async run(context, args) {
    const keys = (await readSecrets(context, args)).map(decodeKey);
    const headers = readHeaders(args);
    const tolerance = readTolerance(args.text("tolerance"));
    const file = args.text("body");
    const body = file === undefined || file === "-" ? await context.stdin() : await read(resolve(context.cwd, file));
    const verdict = verify({ headers, body, keys, now: context.ports.clock.now(), tolerance });
    if (args.flag("json")) printJson(context.stdout, verdict);
    else if (verdict.valid) context.stdout.write("valid\n");
    if (verdict.valid) return 0;
    context.stderr.write(`wochit-relay: not valid: ${verdict.why}\n`);
    return 1;
  },
};

async function readSecrets({ env, cwd }: Context, args: Args): Promise<string[]> {
  const file = args.text("secret-file");
  const given = [...args.texts("secret"), ...(file === undefined ? [] : [await readText(resolve(cwd, file))])];
  if (given.length > 0) return given;
  if (env[VARIABLE]) return [env[VARIABLE]];
  throw new RelayError("usage", `no secret: set ${VARIABLE}, or give --secret-file or --secret`);
}

function decodeKey(secret: string): Uint8Array {
  try {
    return decodeSecret(secret.trim());
  } catch (error) {
    throw new RelayError("usage", `secret: ${errorLine(error)}`);
  }
}

function readHeaders(args: Args): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of args.texts("header")) {
    const at = line.indexOf(":");
    if (at < 1) throw new RelayError("usage", `--header is written "name: value", not "${line}"`);
    headers[line.slice(0, at).trim().toLowerCase()] = line.slice(at + 1).trim();
  }
  for (const name of ["id", "timestamp", "signature"]) {
    const value = args.text(name);
    if (value !== undefined) headers[`webhook-${name}`] = value;
  }
  return headers;
}

/** Milliseconds; plain digits are seconds, as the libraries count. */
function readTolerance(text: string | undefined): number {
  if (text === undefined) return TOLERANCE;
  const tolerance = /^\d+$/.test(text) ? parseDuration(`${text}s`) : parseDuration(text);
  if (tolerance === null)
    throw new RelayError("usage", `--tolerance must be seconds, or a time like "5m", not "${text}"`);
  return tolerance;
}

async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await read(path));
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new RelayError("usage", `cannot read ${path}: ${errorLine(error)}`);
  }
}
