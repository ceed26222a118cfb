import { listQuarantine, reprocess, reprocessAll, showQuarantined } from "../../actions/quarantine.ts";
import { RelayError } from "../../errors.ts";
import type { RefusalReason } from "../../model/event.ts";
import { createAcceptKept } from "../../receive/accept.ts";
import { type Command, type CommandGroup, configOption, jsonOption } from "../command.ts";
import { shortTime } from "../output/columns.ts";
import { listOptions, printJson, printList, printMany, rangeOptions, readPage, readRange } from "../output/lists.ts";
import { renderFields } from "../output/table.ts";
import { harmless } from "../output/terminal-text.ts";

const REASONS = [
  "invalid_json",
  "invalid_event",
  "source",
  "token",
  "size",
  "path",
  "method",
  "broken",
  "request",
] as const satisfies RefusalReason[];

const reasonOption = {
  reason: { type: "string", value: "REASON", help: `only refused for this reason: ${REASONS.join(", ")}` },
} as const;

const list: Command = {
  name: "quarantine list",
  summary: "what was refused, newest first",
  options: { ...reasonOption, ...listOptions },
  async run(context, args) {
    const wish = { ...readPage(args, context.ports), reason: args.word("reason", REASONS) };
    const store = await context.openStore(await context.loadConfig({ secrets: false }));
    await printList(context, args, listQuarantine(store, wish), [
      { title: "ID", value: ({ id }) => id, whole: true },
      { title: "RECEIVED", value: ({ receivedAt }) => shortTime(receivedAt), whole: true },
      { title: "FROM", value: ({ sourceAddress }) => sourceAddress, whole: true },
      { title: "REASON", value: ({ reason }) => reason, whole: true },
      { title: "BYTES", value: ({ bytes }) => bytes, whole: true },
    ]);
    return 0;
  },
};

const show: Command = {
  name: "quarantine show",
  summary: "one refused body",
  positionals: "ID",
  options: {
    body: { type: "boolean", help: "write the body only, byte for byte as it was received" },
    ...jsonOption,
    ...configOption,
  },
  async run({ stdout, ...context }, args) {
    const store = await context.openStore(await context.loadConfig({ secrets: false }));
    const id = args.positionals[0]!;
    if (args.flag("body")) {
      stdout.write((await store.quarantinedBody(id)).body);
      return 0;
    }
    const { body, bodyBase64, ...fields } = await showQuarantined(store, id);
    if (args.flag("json")) printJson(stdout, { ...fields, body, bodyBase64 });
    else {
      stdout.write(renderFields(Object.entries(fields)));
      stdout.write(`\n${body === null ? `(not UTF-8; base64) ${bodyBase64}` : harmlessLines(body)}\n`);
    }
    return 0;
  },
};

function harmlessLines(text: string): string {
  return text.split(/\r?\n/).map(harmless).join("\n");
}

const again: Command = {
  name: "quarantine reprocess",
  summary: "takes a refused body in as if it had been allowed",
  positionals: "[ID]",
  options: { ...reasonOption, ...rangeOptions, ...jsonOption, ...configOption },
  help: `Either one body, or all of a reason, for example after the provider's addresses have changed:
  wochit-relay quarantine reprocess --reason source --since 1d`,
  async run(context, args) {
    const [id] = args.positionals;
    const filter = { reason: args.word("reason", REASONS), ...readRange(args, context.ports) };
    if (id === undefined && filter.reason === undefined) {
      throw new RelayError("usage", "name a refused body, or a --reason");
    }
    if (id !== undefined && Object.values(filter).some((value) => value !== undefined)) {
      throw new RelayError("usage", "name a refused body, or what all of them have in common, not both");
    }
    const config = await context.loadConfig({ secrets: false });
    const store = await context.openStore(config);
    const accept = createAcceptKept({ store, config });
    if (id === undefined) {
      return printMany(context, args, reprocessAll(store, accept, filter), {
        done: "taken in",
        describe: ({ quarantineId }) => quarantineId,
        error: (row) => ("error" in row ? row.error : null),
      });
    }
    const result = await reprocess(store, accept, id);
    if (args.flag("json")) printJson(context.stdout, result);
    else
      context.stdout.write(`${id} is ${result.id} now${result.status === "duplicate" ? ", which it repeats" : ""}\n`);
    return 0;
  },
};

export const command: CommandGroup = {
  name: "quarantine",
  summary: "what was refused, and can be taken in after all",
  verbs: { list, show, reprocess: again },
};
