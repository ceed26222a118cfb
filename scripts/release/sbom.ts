import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import type { Bom, Component } from "./bom.ts";

/** What is inside the binary and no package of npm's: versions by the names of `process.versions`, and SQLite's. */
export type Native = { node: Record<string, string>; sqlite: string };

/** Numbers of interfaces, no software. */
const INTERFACES = new Set(["node", "modules", "napi"]);

/**
 * The bill of materials that is handed out: the bundled packages, Node with what is built into it, SQLite. Rejects where it
 * is not as CycloneDX's schema has it.
 */
export async function writeSbom(bom: Bom, added: Component[], { node, sqlite }: Native, at: Date): Promise<string> {
  const whole = structuredClone(bom);
  whole.metadata.timestamp = at.toISOString();
  whole.components.push(...structuredClone(added), nodeComponent(node), sqliteComponent(sqlite));
  for (const component of [whole.metadata.component, ...whole.components]) {
    delete component.evidence; // The texts are in THIRD-PARTY-LICENSES.
  }
  const text = `${JSON.stringify(whole, null, 2)}\n`;
  const wrong = await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(text);
  if (wrong !== null) throw new Error(`the SBOM is not valid: ${JSON.stringify(wrong).slice(0, 300)}`);
  return text;
}

function nodeComponent(versions: Record<string, string>): Component {
  const { node: version } = versions;
  if (version === undefined) throw new Error("the version of Node is not known");
  return {
    type: "platform",
    name: "node",
    version,
    "bom-ref": `node@${version}`,
    licenses: [{ license: { id: "MIT" } }],
    purl: `pkg:generic/node@${version}`,
    cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`,
    components: Object.entries(versions)
      .filter(([name]) => !INTERFACES.has(name))
      .map(([name, version]) => ({ type: "library", name, version, "bom-ref": `node/${name}@${version}` })),
  };
}

function sqliteComponent(version: string): Component {
  return {
    type: "library",
    name: "sqlite",
    version,
    "bom-ref": `sqlite@${version}`,
    licenses: [{ license: { id: "blessing" } }],
    purl: `pkg:generic/sqlite@${version}`,
    cpe: `cpe:2.3:a:sqlite:sqlite:${version}:*:*:*:*:*:*:*`,
  };
}
