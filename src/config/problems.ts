import type { BaseIssue } from "valibot";
import { suggest } from "../rules/nearest.ts";

/** Where in the file something is: keys and list positions. */
export type Path = (string | number)[];

/** The problems of a config, or of a request, each with its place. */
export type Problems = {
  add(path: Path, message: string): void;
  /** Whether anything at or below this place is wrong already: a further check would only repeat it. */
  has(path: Path): boolean;
  /** Whether there are as many as are kept. */
  isFull(): boolean;
  all(): { path: string; message: string }[];
  /** One line each: `endpoints[0].secret: …`. */
  lines(): string[];
};

/** `most`: as many are kept. */
export function collectProblems(most = Number.POSITIVE_INFINITY): Problems {
  const found: { path: string; message: string }[] = [];
  const places = new Set<string>();
  return {
    add(path, message) {
      const place = formatPath(path);
      // Only the first problem of a value is kept: the next ones usually follow from it.
      if (places.has(place) || found.length >= most) return;
      places.add(place);
      found.push({ path: place, message });
    },
    isFull: () => found.length >= most,
    has(path) {
      const place = formatPath(path);
      return found.some(
        ({ path: one }) => one === place || (one.startsWith(place) && /^[.[]/.test(one.slice(place.length))),
      );
    },
    all: () => found,
    lines: () => found.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)),
  };
}

/** `endpoints[0].headers["x-api-key"]` */
export function formatPath(path: Path): string {
  return path
    .map((key, at) => {
      if (typeof key === "number") return `[${key}]`;
      if (/^[\w$]+$/.test(key)) return at === 0 ? key : `.${key}`;
      return `[${JSON.stringify(key)}]`;
    })
    .join("");
}

/** Puts an issue of the schema into plain words. They never quote a value: it may be a secret. */
export function addIssue(problems: Problems, issue: BaseIssue<unknown>): void {
  const path = (issue.path ?? []).map(({ key }) => key as string | number);
  // Unknown keys come from findShapeProblems, which names all of them and not only the first.
  if (issue.type === "strict_object" && issue.expected === "never") return;
  if (issue.type === "union" && problems.has(path)) return;
  const missing = issue.type === "strict_object" && issue.received === "undefined";
  problems.add(path, missing ? "is missing" : describe(issue));
}

function describe(issue: BaseIssue<unknown>): string {
  if (!issue.message.startsWith("Invalid ")) return issue.message;
  // Valibot reports a variant where the value is no object at all.
  switch (issue.expected === "Object" ? "strict_object" : issue.type) {
    case "min_value":
      return `must be at least ${String(issue.requirement)}`;
    case "integer":
      return "must be a whole number";
    case "picklist":
    case "variant":
    case "literal":
      return `must be ${(issue.expected ?? "").replace(/[()]/g, "").replace(/ \| /g, " or ")}${given(issue)}`;
    default:
      return `must be ${KIND[issue.expected ?? ""] ?? issue.expected}, not ${kindOf(issue.input)}`;
  }
}

const KIND: Record<string, string> = {
  string: "a string",
  number: "a number",
  boolean: "true or false",
  Object: "an object",
  Array: "a list",
};

function given(issue: BaseIssue<unknown>): string {
  if (issue.input === undefined) return "";
  return `, not ${typeof issue.input === "string" && issue.input.length < 40 ? JSON.stringify(issue.input) : kindOf(issue.input)}`;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return KIND[typeof value] ?? "an object";
}

/** The members of a valibot schema that tell its keys. */
export type Shape = {
  type: string;
  entries?: Record<string, Shape>;
  wrapped?: Shape;
  item?: Shape;
  /** Of a record: each of its members. */
  value?: Shape;
  /** Of a variant: the member that its options differ in. */
  key?: unknown;
  options?: readonly unknown[];
  literal?: unknown;
};

/**
 * Finds all unknown keys, and all lists in place of objects: valibot's strict objects report the first unknown key
 * only, and accept a list as an object.
 */
export function findShapeProblems(shape: Shape, value: unknown, path: Path, problems: Problems): void {
  if (typeof value !== "object" || value === null || problems.isFull()) return;
  const meant = shape.wrapped ?? pickOption(shape, value);
  if (meant) return findShapeProblems(meant, value, path, problems);
  if (Array.isArray(value)) {
    if (["strict_object", "record", "variant"].includes(shape.type))
      problems.add(path, "must be an object, not a list");
    if (!shape.item) return;
    for (const [at, item] of value.entries()) findShapeProblems(shape.item, item, [...path, at], problems);
    return;
  }
  if (shape.type === "record" && shape.value) {
    for (const [key, member] of Object.entries(value)) findShapeProblems(shape.value, member, [...path, key], problems);
  }
  if (!shape.entries) return;
  const known = Object.keys(shape.entries).filter((key) => key !== "$schema");
  for (const [key, member] of Object.entries(value)) {
    const entry = Object.hasOwn(shape.entries, key) ? shape.entries[key] : undefined;
    if (entry) findShapeProblems(entry, member, [...path, key], problems);
    else if (problems.isFull()) return;
    else problems.add([...path, key], `unknown key ${JSON.stringify(key)}${suggest(key, known)}`);
  }
}

/**
 * The option of a variant that a value names, and of a union the one that it is most likely meant to be. The objects of a
 * union are merged into one, so that any of their keys is known.
 */
function pickOption({ type, key, options }: Shape, value: object): Shape | undefined {
  const given = options as Shape[];
  if (type === "variant") {
    const name = key as string;
    return given.find(({ entries }) => entries?.[name]?.literal === (value as Record<string, unknown>)[name]);
  }
  if (type !== "union") return undefined;
  const flat = given.flatMap((option) => (option.type === "union" ? (option.options as Shape[]) : [option]));
  if (Array.isArray(value)) return flat.find(({ type }) => type === "array");
  const objects = flat.filter(({ type }) => type === "strict_object");
  return objects[0] && { type: "strict_object", entries: Object.assign({}, ...objects.map(({ entries }) => entries)) };
}
