import { checkFilters } from "../actions/filters/check.ts";
import type { Filters, List, Selection, Sources } from "../actions/list.ts";
import { RelayError } from "../errors.ts";
import type { Command } from "./command.ts";
import {
  commonOptions,
  filterOptions,
  listOptions,
  rangeOptions,
  readFilters,
  readPage,
  readRange,
} from "./options.ts";
import { type ListWords, print, printList, printMany } from "./output/print.ts";
import { openSources } from "./sources.ts";

// The verbs that several nouns have.

/** `events list` and its like. */
export function listCommand<Of extends Filters, Row>(
  { filters, rows, columns }: List<Of, Row>,
  { empty, next, ...words }: Pick<Command, "name" | "summary" | "help" | "examples"> & ListWords,
): Command {
  return {
    ...words,
    options: { ...filterOptions(filters), ...listOptions },
    async run(program, args) {
      const query = { ...readPage(args, program.ports), ...readFilters(args, filters) };
      const sources = await openSources(program, { toRead: true });
      await checkFilters(sources, query as { endpoint?: string; type?: string });
      await printList(program, args, rows(sources, query), columns, { empty, next });
    },
  };
}

/** A verb that is done to one thing, or to all that its filters match. */
type Verb<Of extends Filters, Row> = Pick<Command, "name" | "summary" | "help" | "examples"> & {
  filters: Of;
  /** What one is called: "a delivery". */
  noun: string;
  /** The filter without which "all" would be too much. */
  needs?: keyof Of & string;
  /** What has become of those that it was done to: "canceled". */
  done: string;
  /** Does it to one. `value` is printed with `--json`, else `text` below it. */
  one(from: Sources, id: string, now: number): Promise<{ value: unknown; text: string }>;
  many(from: Sources, filter: Selection<Of>, now: () => number): AsyncIterable<Row>;
  describe(row: Row): string;
};

export function verbCommand<Of extends Filters, Row extends object>(verb: Verb<Of, Row>): Command {
  const { name, summary, help, examples, filters, noun, needs } = verb;
  return {
    ...{ name, summary, help, examples, positionals: "[ID]" },
    options: { ...filterOptions(filters), ...rangeOptions, ...commonOptions },
    async run(program, args) {
      const { clock } = program.ports;
      const [id] = args.positionals;
      const filter = { ...readFilters(args, filters), ...readRange(args, program.ports) };
      if (id !== undefined && Object.values(filter).some((value) => value !== undefined)) {
        throw new RelayError("usage", `name ${noun}, or what all of them have in common, not both`);
      }
      if (id === undefined && needs !== undefined && filter[needs] === undefined) {
        throw new RelayError("usage", `name ${noun}, or a --${needs}`);
      }
      const from = await openSources(program);
      if (id === undefined) return printMany(program, args, verb.many(from, filter, clock.now), verb);
      const { value, text } = await verb.one(from, id, clock.now());
      print(program, args, value, `${text}\n`);
    },
  };
}
