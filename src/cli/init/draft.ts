import { join } from "node:path";
import { inspectJson } from "../../config/load.ts";
import { type ConfigInput, parseListen } from "../../config/schema.ts";
import { generateSecret } from "../../config/webhook-secret.ts";
import { RelayError } from "../../errors.ts";
import type { Args, Options } from "../args.ts";
import { harmless } from "../output/terminal-text.ts";
import type { Program } from "../program.ts";

/** What is asked for, as options: one that is given is not asked for. */
export const answerOptions = {
  endpoint: {
    type: "string",
    short: "e",
    multiple: true,
    value: "[ID=]URL",
    help: "an app that gets the events: a secret is made for it",
  },
  listen: { type: "string", value: "HOST:PORT", help: "where the relay listens (default 0.0.0.0:8080)" },
  "public-url": { type: "string", value: "URL", help: "how apps and browsers reach it, for links to media" },
  "admin-listen": {
    type: "string",
    value: "HOST:PORT",
    help: "where the admin API and the dashboard listen (default 127.0.0.1:8081)",
  },
  "data-dir": { type: "string", value: "PATH", help: "the folder of the database (default: data, beside the config)" },
  "media-dir": { type: "string", value: "PATH", help: "the folder of the copies (default: media, in the data folder)" },
  bucket: { type: "string", value: "NAME", help: "keep the copies in this S3 bucket instead" },
  "s3-endpoint": { type: "string", value: "URL", help: "of a store that is not Amazon's" },
  region: { type: "string", value: "NAME", help: "of the bucket (default: as the environment says)" },
  "access-key-id": { type: "string", value: "ID", help: "of the bucket (default: the machine's own credentials)" },
  "secret-key-file": { type: "string", value: "FILE", help: "holds the secret access key that goes with it" },
  try: { type: "boolean", help: "let this machine play Wochit (simulate), to try the relay; not for real use" },
} satisfies Options;

type Question = {
  text: string;
  /** Taken for an empty answer, and where nothing is asked. */
  fallback: string;
  option?: keyof typeof answerOptions;
  /** The config with the answer. */
  put(answer: string): ConfigInput;
  isHidden?: boolean;
};

/**
 * The config that the options and the answers at a terminal make. Its secrets are still in it as texts: nothing is written
 * before all is known. Each answer is judged as `check` judges the file, and asked for again until it is right.
 * RelayError("usage") for a wrong option, and without a terminal and `--yes`.
 */
export async function draftConfig(program: Program, args: Args, path: string): Promise<ConfigInput> {
  const asks = !args.flag("yes");
  let draft: ConfigInput = {};

  async function ask({ text, fallback, isHidden = false }: Pick<Question, "text" | "fallback" | "isHidden">) {
    if (!asks) return fallback;
    const answer = await program.ask(`${text}${fallback === "" ? "" : ` [${fallback}]`}: `, { isHidden });
    if (answer !== null) return answer.trim() || fallback;
    throw new RelayError(
      "usage",
      "init asks at a terminal, and there is none: say --yes, and with --endpoint URL what gets the events",
    );
  }

  async function settle({ option, put, ...question }: Question, given = option && args.text(option)): Promise<string> {
    for (;;) {
      const answer = given ?? (await ask(question));
      const next = put(answer);
      const [problem] = inspectJson(next, path, program).problems;
      if (problem === undefined) {
        draft = next;
        return answer;
      }
      if (given !== undefined || !asks) throw new RelayError("usage", `--${option}: ${problem}`);
      program.stderr.write(`${harmless(problem)}\n`);
    }
  }

  const server = (more: ConfigInput["server"]) => ({ ...draft, server: { ...draft.server, ...more } });
  const listen = await settle({
    ...{ option: "listen", text: "The relay listens on", fallback: "0.0.0.0:8080" },
    put: (listen) => server({ listen }),
  });
  await settle({
    ...{ option: "public-url", text: "Apps reach it at (like https://relay.example.com)", fallback: ownUrl(listen) },
    put: (publicUrl) => (publicUrl === "" ? draft : server({ publicUrl })),
  });
  if (args.isGiven("admin-listen")) {
    const put = (listen: string) => ({ ...draft, admin: { listen } });
    await settle({ option: "admin-listen", text: "", fallback: "", put });
  }
  const dataDir = await settle({
    ...{ option: "data-dir", text: "Its data go into the folder", fallback: "data" },
    put: (dataDir) => ({ ...draft, dataDir }),
  });
  await settleTarget(join(dataDir, "media"));
  await settleEndpoints();
  const isTrial = args.flag("try") || (asks && /^y/i.test(await ask({ text: TRY, fallback: "no" })));
  if (!isTrial) return draft;
  const mirror = { ...draft.mirror, allowPrivateAddresses: ["127.0.0.1"] };
  return { ...draft, receive: { allowFrom: ["127.0.0.1"] }, mirror };

  async function settleTarget(ownFolder: string): Promise<void> {
    const target = (options: object) =>
      ({ ...draft, mirror: { target: { ...draft.mirror?.target, ...options } } }) as ConfigInput;
    const folder = args.isGiven("bucket")
      ? S3
      : await settle({
          ...{ option: "media-dir", text: `Copies of media go into the folder (or "${S3}")`, fallback: ownFolder },
          put: (dir) => (dir === S3 || dir === ownFolder ? draft : target({ type: "local", dir })),
        });
    if (folder !== S3) return;
    await settle({
      ...{ option: "bucket", text: "The name of the bucket", fallback: "" },
      put: (bucket) => target({ type: "s3", bucket }),
    });
    await settle({
      ...{ option: "s3-endpoint", text: "The URL of the store (none: Amazon's)", fallback: "" },
      put: (endpoint) => (endpoint === "" ? draft : target({ endpoint })),
    });
    await settle({
      ...{ option: "region", text: "Its region (none: as the environment says)", fallback: "" },
      put: (region) => (region === "" ? draft : target({ region })),
    });
    const text = "The id of its access key (none: the machine's own credentials)";
    const accessKeyId = args.text("access-key-id") ?? (await ask({ text, fallback: "" }));
    if (accessKeyId === "") return;
    const put = (secretAccessKey: string | { file: string }) => target({ accessKeyId, secretAccessKey });
    const file = args.text("secret-key-file");
    if (file !== undefined)
      await settle({ option: "secret-key-file", text: "", fallback: "", put: () => put({ file }) });
    else
      await settle({
        text: "Its secret key (not shown)",
        fallback: "",
        option: "secret-key-file",
        isHidden: true,
        put,
      });
  }

  async function settleEndpoints(): Promise<void> {
    const add = (id: string, url: string) => {
      const secret = generateSecret(program.ports.random);
      return { ...draft, endpoints: [...(draft.endpoints ?? []), { id, url, secret }] };
    };
    const ids = () => new Set(draft.endpoints?.map(({ id }) => id));
    const given = args.texts("endpoint");
    for (const each of given) {
      const [, id, url = each] = /^([^=:/]*)=(.*)$/.exec(each) ?? [];
      const put = () => add(id ?? inventId(url, ids()), url);
      await settle({ option: "endpoint", text: "", fallback: "", put }, each);
    }
    while (asks && given.length === 0) {
      const more =
        ids().size === 0
          ? "An app that gets the events: its URL (none: later)"
          : "Another app: its URL (none: no more)";
      const url = await settle({
        ...{ text: more, fallback: "" },
        put: (url) => (url === "" ? draft : add(inventId(url, ids()), url)),
      });
      if (url === "") return;
      const { id, ...rest } = draft.endpoints!.at(-1)!;
      const others = draft.endpoints!.slice(0, -1);
      await settle({
        ...{ text: "What it is called", fallback: id },
        put: (id) => ({ ...draft, endpoints: [...others, { id, ...rest }] }),
      });
    }
  }
}

const S3 = "s3";

const TRY = "Shall this machine play Wochit, to try it with simulate? Not for real use (y/N)";

/** How a relay that listens on this machine alone is reached; "": the name of the machine is not known to be known. */
function ownUrl(listen: string): string {
  const { host, port } = parseListen(listen)!;
  const isLocal = port !== 0 && (/^127\./.test(host) || host === "localhost" || host === "::1");
  return isLocal ? `http://${host.includes(":") ? `[${host}]` : host}:${port}` : "";
}

/** `cms` for https://cms.internal/hooks, `app` for an address, each with a number where that is taken. */
function inventId(url: string, taken: Set<string>): string {
  const host = URL.canParse(url) ? new URL(url).hostname : "";
  const [label = ""] = /^[a-z][a-z0-9-]*(?=\.|$)/.exec(host) ?? [];
  const name = label === "" || label === "localhost" || label.length > 40 ? "app" : label;
  for (let n = 1; ; n++) {
    const id = n === 1 ? name : `${name}-${n}`;
    if (!taken.has(id)) return id;
  }
}
