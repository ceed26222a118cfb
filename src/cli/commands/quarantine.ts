import { quarantine, reprocess, showQuarantined } from "../../actions/quarantine.ts";
import { createAcceptKept } from "../../receive/accept.ts";
import type { Command, CommandGroup } from "../command.ts";
import { commonOptions } from "../options.ts";
import { print, styleOf } from "../output/print.ts";
import { renderFields } from "../output/table.ts";
import { harmless } from "../output/terminal-text.ts";
import { openSources } from "../sources.ts";
import { manyCommand, rateOption } from "../tasks.ts";
import { listCommand } from "../verbs.ts";

const list = listCommand(quarantine, {
  name: "quarantine list",
  summary: "what was refused, newest first",
  empty: "nothing was refused",
  next: '"wochit-relay quarantine show ID" shows one, "quarantine reprocess" takes it in',
  examples: {
    "wochit-relay quarantine list --since 1d": "shows what was refused since yesterday",
    "wochit-relay quarantine list --reason source": "shows what came from unknown addresses",
  },
});

const show: Command = {
  name: "quarantine show",
  summary: "one refused body",
  examples: {
    "wochit-relay quarantine show qrn_1k800hr143c5p2qa1": "shows a body and its sender",
  },
  positionals: "ID",
  options: {
    body: { type: "boolean", help: "write the body only, byte for byte as it was received" },
    ...commonOptions,
  },
  async run(program, args) {
    const { store } = await openSources(program, { toRead: true });
    const id = args.positionals[0]!;
    if (args.flag("body")) return program.stdout.write((await store.quarantinedBody(id)).body);
    const refused = await showQuarantined(store, id);
    const { body, bodyBase64, ...fields } = refused;
    const text = body === null ? `(not UTF-8; base64) ${bodyBase64}` : body.split(/\r?\n/).map(harmless).join("\n");
    print(program, args, refused, `${renderFields(Object.entries(fields), styleOf(program))}\n${text}\n`);
  },
};

const again = manyCommand({
  name: "quarantine reprocess",
  summary: "takes a refused body in as if it had been allowed",
  examples: {
    "wochit-relay quarantine reprocess qrn_1k800hr143c5p2qa1": "takes one in",
    "wochit-relay quarantine reprocess --from 203.0.113.7 --since 1d":
      "takes in what came from an address that is allowed now",
  },
  help: "Either one body, or as a task all that the filters match, for example after the provider's addresses have changed.",
  noun: "refused body",
  filters: quarantine.filters,
  verb: "reprocess",
  options: rateOption,
  async toOne(from, id) {
    const value = await reprocess(from.store, createAcceptKept(from), id);
    return {
      rows: [value],
      text: `${id} is ${value.id} now${value.status === "duplicate" ? ", which it repeats" : ""}`,
    };
  },
  wish: (filter) => ({ filter }),
});

export const command: CommandGroup = {
  name: "quarantine",
  summary: "what was refused, and can be taken in after all",
  verbs: { list, show, reprocess: again },
};
