import { parseDuration } from "../../config/units.ts";
import { decodeVerifyingKey, type VerifyingKey } from "../../config/webhook-secret.ts";
import { errorLine, RelayError } from "../../errors.ts";
import { TOLERANCE, verify } from "../../forward/signature.ts";
import type { Args } from "../args.ts";
import { type Command, jsonOption } from "../command.ts";
import { print } from "../output/print.ts";
import { type Program, readInput } from "../program.ts";

const VARIABLE = "WOCHIT_RELAY_SECRET";

export const command: Command = {
  name: "verify-signature",
  summary: "says whether a received message is signed with a secret, or why not",
  examples: {
    'wochit-relay verify-signature -b body.json --secret-file cms.secret \\\n    --id evt_1k800hr143c5p2qa0 --timestamp 1780000000 --signature "v1,K5oZ="':
      "judges one message as an app has received it: its body, and three headers",
  },
  options: {
    body: { type: "string", short: "b", value: "FILE", help: "the body as it was received (default: standard input)" },
    header: { type: "string", short: "H", multiple: true, value: '"NAME: VALUE"', help: "a header as it was received" },
    id: { type: "string", value: "TEXT", help: "the webhook-id header" },
    timestamp: { type: "string", value: "SECONDS", help: "the webhook-timestamp header" },
    signature: { type: "string", value: "TEXT", help: "the webhook-signature header" },
    "secret-file": { type: "string", value: "FILE", help: "the file that holds the secret or public key" },
    secret: {
      type: "string",
      multiple: true,
      value: "whsec_…",
      help: "the secret itself, or a public key (whpk_…); other users can see it in ps",
    },
    tolerance: { type: "string", value: "TIME", help: 'how far its time may be off, like "5m" (the default) or "90d"' },
    ...jsonOption,
  },
  help: `The secret is whsec_… or whsk_…, or the public key whpk_…; it may also be in the environment variable
${VARIABLE}. Exit code 0: valid, 1: not.`,
  async run(program, args) {
    const keys = (await readSecrets(program, args)).map(decodeKey);
    const headers = readHeaders(args);
    const tolerance = readTolerance(args.text("tolerance"));
    const body = await readInput(program, args.text("body"));
    const verdict = verify({ headers, body, keys, now: program.ports.clock.now(), tolerance });
    print(program, args, verdict, verdict.valid ? "valid\n" : "");
    if (verdict.valid) return;
    program.stderr.write(`wochit-relay: not valid: ${verdict.why}\n`);
    return 1;
  },
};

async function readSecrets(program: Program, args: Args): Promise<string[]> {
  const file = args.text("secret-file");
  const given = args.texts("secret");
  if (file !== undefined) given.push(new TextDecoder().decode(await readInput(program, file)));
  if (given.length > 0) return given;
  const fromEnv = program.env[VARIABLE];
  if (fromEnv) return [fromEnv];
  throw new RelayError("usage", `no secret: set ${VARIABLE}, or give --secret-file or --secret`);
}

function decodeKey(secret: string): VerifyingKey {
  try {
    return decodeVerifyingKey(secret.trim());
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
