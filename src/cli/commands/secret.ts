import { generateKeyPair, generateSecret } from "../../config/webhook-secret.ts";
import { type Command, type CommandGroup, jsonOption } from "../command.ts";
import { print } from "../output/print.ts";

const generate: Command = {
  name: "secret generate",
  summary: "a new secret for an endpoint, in the form of Standard Webhooks libraries",
  examples: {
    "wochit-relay secret generate > cms-2.secret": "makes a secret for one endpoint, in a file of its own",
    "wochit-relay secret generate --ed25519": "makes a key pair",
  },
  options: {
    ed25519: { type: "boolean", help: "a key pair: the secret signs, the public key on the second line verifies" },
    ...jsonOption,
  },
  help: `Without --ed25519 the relay and the consumer share the secret (whsec_…, HMAC-SHA256). With it the relay alone has the
secret (whsk_…), and the consumer has the public key (whpk_…). A file may hold both lines as they are printed.

To rotate a secret without a lost delivery:
  1. Make the new one in a file of its own, beside the old one:
     "secret": [{"file": "cms.secret"}, {"file": "cms-2.secret"}]
     Then "wochit-relay check" and "wochit-relay reload": both sign.
  2. Give the new one to the app, which must answer with 2xx to
     "wochit-relay endpoints test cms".
  3. Take the old one out of the list; check, reload.
     "wochit-relay endpoints show cms" lists which sign.`,
  async run(program, args) {
    const { random } = program.ports;
    const made: { secret: string; publicKey?: string } = args.flag("ed25519")
      ? generateKeyPair(random)
      : { secret: generateSecret(random) };
    print(program, args, made, `${Object.values(made).join("\n")}\n`);
  },
};

export const command: CommandGroup = { name: "secret", summary: "secrets of endpoints", verbs: { generate } };
