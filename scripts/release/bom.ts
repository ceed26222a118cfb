import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cyclonedxEsbuildPlugin } from "@cyclonedx/cyclonedx-esbuild";
import { build } from "esbuild";
import { ROOT } from "../root.ts";

/** A CycloneDX component (https://cyclonedx.org/docs/1.6/json/#components), as far as it is used here. */
export type Component = {
  type: string;
  name: string;
  group?: string;
  version?: string;
  "bom-ref"?: string;
  description?: string;
  licenses?: { license?: { id?: string; name?: string }; expression?: string }[];
  purl?: string;
  cpe?: string;
  components?: Component[];
  externalReferences?: { url: string; type: string }[];
  evidence?: { licenses?: { license: { name: string; text: { content: string; encoding?: string } } }[] };
};

export type Bom = {
  specVersion: string;
  metadata: { timestamp?: string; component: Component };
  components: Component[];
  dependencies: { ref: string; dependsOn?: string[] }[];
};

/**
 * What esbuild really takes into the program, with the licence texts that lie beside it as evidence. The lock file knows
 * less: it does not say what of a package's dependencies is left out, and `npm sbom --omit dev` drops what a development
 * dependency happens to need as well. Nothing is packed away here, and the database's driver is followed: its JavaScript is
 * in the program too.
 */
export async function listBundled(): Promise<Bom> {
  const folder = mkdtempSync(join(tmpdir(), "wochit-relay-bom-"));
  try {
    await build({
      absWorkingDir: ROOT,
      entryPoints: ["src/cli/entry.ts"],
      bundle: true,
      platform: "node",
      format: "cjs",
      outfile: join(folder, "program.cjs"),
      write: false,
      logLevel: "silent",
      plugins: [
        cyclonedxEsbuildPlugin({
          specVersion: "1.6",
          outputFile: join(folder, "bom.json"),
          gatherLicenseTexts: true,
          outputReproducible: true,
        }),
      ],
    });
    return JSON.parse(readFileSync(join(folder, "bom.json"), "utf8"));
  } catch (error) {
    const [first] = (error as { errors?: { text: string; location?: { file: string } | null }[] }).errors ?? [];
    if (first === undefined) throw error;
    throw new Error(`the program cannot be bundled: ${first.location ? `${first.location.file}: ` : ""}${first.text}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** "@aws-sdk/core 3.981.0": how a component is called where people read it. */
export function nameOf({ group, name, version }: Component): string {
  return `${group ? `${group}/` : ""}${name}${version ? ` ${version}` : ""}`;
}
