import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../root.ts";
import { type Component, nameOf } from "./bom.ts";

const RULE = `${"-".repeat(78)}\n`;

/**
 * THIRD-PARTY-LICENSES: every component with its licence and the full text, equal texts once. A package that was published
 * without its text takes it from its readme, or from one of the same repository and licence. Throws, naming them, where a text
 * is missing.
 */
export function writeLicenses(
  components: Component[],
  node: { version: string; text: string },
  sqlite: string,
): string {
  const missing = components.filter((component) => textOf(component, components) === null).map(nameOf);
  if (missing.length > 0) throw new Error(`no licence text is found for ${missing.join(", ")}`);

  const byText = Map.groupBy(components, (component) => textOf(component, components)!);
  const parts = [...byText].map(([text, under]) => {
    const names = under.map((component) => `${nameOf(component)} (${licenseOf(component)})`).sort();
    return `${names.join("\n")}\n\n${text}`;
  });
  parts.sort();
  parts.push(
    `SQLite ${sqlite}\n\nThe author disclaims copyright to it: it is in the public domain (https://www.sqlite.org/copyright.html).`,
    `Node.js ${node.version}, and what is built into it\n\n${node.text}`,
  );
  const head = "wochit-relay is made with what others have written. These are their names and licences.\n";
  return [head, ...parts.map((part) => `${part.trimEnd()}\n`)].join(`\n${RULE}\n`);
}

/** Packages that are compiled into the database's addon, which a bundler cannot see. */
export function compiledIn(...names: string[]): Component[] {
  return names.map((name) => {
    const folder = join(ROOT, "node_modules", name);
    const pkg = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
    return {
      type: "library",
      name,
      version: pkg.version,
      "bom-ref": `${name}@${pkg.version}`,
      licenses: [{ license: { id: pkg.license } }],
      purl: `pkg:npm/${name}@${pkg.version}`,
      ...(file && { evidence: { licenses: [evidence(file, readFileSync(join(folder, file), "utf8"))] } }),
    };
  });
}

function evidence(file: string, content: string) {
  return { license: { name: `file: ${file}`, text: { content } } };
}

function licenseOf({ licenses = [] }: Component): string {
  return licenses.map(({ license, expression }) => license?.id ?? license?.name ?? expression).join(", ");
}

function textOf(component: Component, others: Component[]): string | null {
  const own = ownText(component) ?? textInReadme(component);
  const repository = repositoryOf(component);
  if (own !== null || repository === null || licenseOf(component) === "") return own;
  const sibling = others.find(
    (other) =>
      repositoryOf(other) === repository && licenseOf(other) === licenseOf(component) && ownText(other) !== null,
  );
  return sibling ? ownText(sibling) : null;
}

function ownText({ evidence }: Component): string | null {
  const texts = (evidence?.licenses ?? []).map(({ license: { text } }) =>
    (text.encoding === "base64" ? Buffer.from(text.content, "base64").toString() : text.content)
      .replaceAll("\r\n", "\n")
      .trim(),
  );
  return texts.length === 0 || texts.includes("") ? null : texts.join("\n\n");
}

/** The section of its readme that holds the licence, where that is the whole of it; null: there is none. */
function textInReadme({ group, name }: Component): string | null {
  const folder = join(ROOT, "node_modules", group ?? "", name);
  const file = existsSync(folder) ? readdirSync(folder).find((one) => /^readme(\.|$)/i.test(one)) : undefined;
  if (file === undefined) return null;
  const [, section = ""] = readFileSync(join(folder, file), "utf8").split(/^#+ *licen[cs]e *$/im);
  const text = section.split(/^#+ /m)[0]!.replaceAll("\r\n", "\n").trim();
  return text.includes("Permission is hereby granted") && text.includes("WITHOUT WARRANTY") ? text : null;
}

function repositoryOf({ externalReferences = [] }: Component): string | null {
  return externalReferences.find(({ type }) => type === "vcs")?.url.split("#")[0] ?? null;
}
