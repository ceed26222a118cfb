import { checkFilters } from "../actions/filters/check.ts";
import { formatCount } from "../actions/format.ts";
import { doToAll, type Filters, type List, type Selection, type Sources } from "../actions/list.ts";
import { RelayError } from "../errors.ts";
import type { Options } from "./args.ts";
import type { Command } from "./command.ts";
import {
  commonOptions,
  filterOptions,
  listOptions,
  manyOptions,
  otherRange,
  rangeOptions,
  rangeOptionsOf,
  readFilters,
  readPage,
  readRange,
} from "./options.ts";
import { type ListWords, print, printList, printMany } from "./output/print.ts";
import { askFirst } from "./program.ts";
import { openSources } from "./sources.ts";
import { sayIfStopped } from "./wait.ts";

// The verbs that several nouns have.

const countOption = {
  count: {
    type: "boolean",
    help: "only say how many there are; above 10,000 that are narrowed down (events by title: 1,000): 10000+",
  },
} satisfies Options;

/** `events list` and its like. */
export function listCommand<Of extends Filters, Row>(
  { filters, rows, columns, total }: List<Of, Row>,
  { empty, next, ...words }: Pick<Command, "name" | "summary" | "help" | "examples"> & ListWords,
): Command {
  return {
    ...words,
    options: { ...filterOptions(filters), ...listOptions, ...rangeOptionsOf(filters), ...(total && countOption) },
    async run(program, args) {
      const query = { ...readPage(args, program), ...readFilters(args, filters, program) };
      const sources = await openSources(program, { toRead: true });
      await checkFilters(sources, query as { endpoint?: string; type?: string; q?: string });
      if (total && args.flag("count")) {
        const { since, until } = query;
        const counted = await total(sources, { ...readFilters(args, filters, program), since, until });
        print(program, args, counted, `${counted.count}${counted.isMore ? "+" : ""}\n`);
        return;
      }
      await printList(program, args, rows(sources, query), columns, {
        empty,
        next,
        otherwise: otherRange(args, filters),
      });
    },
  };
}

/** A verb that is done to one thing, or to all that its filters match, at least one filter. */
type Verb<Of extends Filters> = Pick<Command, "name" | "summary" | "help" | "examples"> & {
  filters: Of;
  /** What one is called. */
  noun: Parameters<typeof formatCount>[1];
  /** What has become of those that it was done to: "canceled". */
  done: string;
  /** Does it to one. `value` is printed with `--json`, else `text` below it. */
  one(from: Sources, id: string, now: number): Promise<{ value: unknown; text: string }>;
  /** The ids that match, in the order in which it is done to them. */
  find(from: Sources, filter: Selection<Of>): Promise<string[]>;
  /** Does it to one of many. */
  each(from: Sources, id: string, now: number): Promise<void>;
};

/** How many ids a dry run names. */
const SAMPLE = 5;

export function verbCommand<Of extends Filters>(verb: Verb<Of>): Command {
  const { name, summary, help, examples, filters, noun, done } = verb;
  return {
    ...{ name, summary, help, examples, positionals: "[ID]" },
    options: { ...filterOptions(filters), ...rangeOptions, ...manyOptions, ...commonOptions },
    async run(program, args) {
      const { clock } = program.ports;
      const [id] = args.positionals;
      const filter = { ...readFilters(args, filters, program), ...readRange(args, program) };
      const isNarrowed = Object.values(filter).some((value) => value !== undefined);
      if (id !== undefined && (isNarrowed || args.flag("dry-run"))) {
        throw new RelayError("usage", "name one, or what all of them have in common, not both");
      }
      if (id === undefined && !isNarrowed) {
        throw new RelayError("usage", "name one, or by a filter what all of them have in common");
      }
      const from = await openSources(program);
      if (id !== undefined) {
        const { value, text } = await verb.one(from, id, clock.now());
        await sayIfStopped(program, from);
        print(program, args, value, `${text}\n`);
        return 0;
      }
      const ids = await verb.find(from, filter);
      const wouldBe = `${formatCount(ids.length, noun)} would be ${done}`;
      if (args.flag("dry-run")) {
        print(program, args, { count: ids.length, sample: ids.slice(0, SAMPLE) }, `${wouldBe}\n`);
        return 0;
      }
      if (ids.length > 0 && !args.flag("yes") && (await askFirst(program, wouldBe)) === false) return 1;
      const each = (one: string) => verb.each(from, one, clock.now());
      const code = await printMany(program, args, doToAll(ids, each), { done, describe: ({ id }) => id });
      if (ids.length > 0) await sayIfStopped(program, from);
      return code;
    },
  };
}
