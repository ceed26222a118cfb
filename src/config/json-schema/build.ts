import { toJsonSchema } from "@valibot/to-json-schema";
import { targetTypes } from "../../targets/table.ts";
import { configSchema } from "../schema.ts";
import { CONFIG_WORDS, SECRET_WORDS, type Words } from "./words.ts";

/** The members of a JSON Schema that lead to its parts. */
type Part = {
  description?: string;
  properties?: Record<string, Part>;
  items?: Part;
  additionalProperties?: Part | boolean;
  anyOf?: Part[];
  oneOf?: Part[];
  const?: unknown;
};

/**
 * The JSON Schema of the config file, each option with its words. Checks that JSON Schema cannot express are left out; `check`
 * makes them.
 */
export function configJsonSchema(): object {
  const schema = toJsonSchema(configSchema, { typeMode: "input", errorMode: "ignore" });
  describe(schema as Part, CONFIG_WORDS as unknown as Words);
  return { title: "wochit-relay config", ...schema };
}

/** Gives the options of all objects in `part` their words. */
function describe(part: Part, words: Words): void {
  const { properties = {}, items, additionalProperties, anyOf = [], oneOf = [] } = part;
  const own = wordsFor(properties) ?? words;
  for (const [name, option] of Object.entries(properties)) {
    const [said, inner = {}] = [own[name] ?? []].flat() as [string?, Words?];
    if (said !== undefined) option.description = said;
    describe(option, inner);
  }
  const others = typeof additionalProperties === "object" ? [additionalProperties] : [];
  for (const other of [...anyOf, ...oneOf, ...others, ...(items ? [items] : [])]) describe(other, words);
}

/** The words of a target's options, or of what says where a secret is; null: the object is neither. */
function wordsFor(properties: Record<string, Part>): Words | null {
  const type = properties.type?.const;
  if (typeof type === "string" && Object.hasOwn(targetTypes, type)) {
    return targetTypes[type as keyof typeof targetTypes].words;
  }
  const names = Object.keys(properties);
  return names.length === 1 && Object.hasOwn(SECRET_WORDS, names[0]!) ? SECRET_WORDS : null;
}
