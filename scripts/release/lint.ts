import { runTool } from "./run-tool.ts";

/**
 * Lets lintian judge a Debian package. Rejects with what it says of the package, unless that is overridden in
 * debian/lintian-overrides with the reason beside it; an override that nothing needs any longer counts too.
 */
export async function lintPackage(path: string): Promise<void> {
  const said = await runTool("lintian", [
    "--allow-root",
    "--display-info",
    "--fail-on",
    "none",
    "--tag-display-limit",
    "0",
    path,
  ]);
  const lines = said.split("\n").filter((line) => /^[EW]: |(unused|mismatched)-override/.test(line));
  if (lines.length > 0) throw new Error(`lintian says of ${path}:\n${lines.join("\n")}`);
}
