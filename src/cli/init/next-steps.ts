import { relative, sep } from "node:path";
import { locateConfig } from "../../config/load.ts";
import { type ConfigInput, parseListen } from "../../config/schema.ts";
import { originOf } from "../../links/durable-link.ts";
import type { Program } from "../program.ts";

/** A file as it is typed in the current folder. */
export function nameOf(path: string, { cwd }: Pick<Program, "cwd">): string {
  const within = relative(cwd, path);
  const name = within === "" || within.startsWith(`..${sep}`) ? path : within;
  return /^[\w./-]+$/.test(name) ? name : `'${name.replaceAll("'", `'\\''`)}'`;
}

/** What is to be entered at the provider. */
export function webhookOf({ server }: ConfigInput, { hostname }: Pick<Program, "hostname">): string {
  const { port } = parseListen(server!.listen!)!;
  return `${(server!.publicUrl ?? originOf({ tls: null }, hostname, port)).replace(/\/+$/, "")}/webhooks/wochit`;
}

type Made = { path: string; config: ConfigInput; webhook: string };

/** What to do after a config was written, a line each. */
export function nextSteps({ path, config, webhook }: Made, program: Pick<Program, "cwd" | "env">): string[] {
  const isFound = locateConfig(undefined, program.env, program.cwd) === path;
  const run = (command: string) => `wochit-relay ${command}${isFound ? "" : ` --config ${nameOf(path, program)}`}`;
  const ids = (config.endpoints ?? []).map(({ id }) => id);
  const steps = [
    ...(ids.length > 0
      ? [`give each app its secret, to verify signatures with: ${ids.map((id) => `${id}.secret`).join(", ")}`]
      : []),
    `start the relay: ${run("serve")}`,
    ...(config.receive === undefined
      ? [
          `try the real surroundings: ${run("doctor")}`,
          `enter ${webhook} in Wochit's admin panel, under "Integration setup"`,
        ]
      : [
          `play Wochit: ${run("simulate video.ready")}`,
          `before real use take "receive" and "allowPrivateAddresses" out of ${nameOf(path, program)}`,
        ]),
  ];
  return ["", "Next:", ...steps.map((step, at) => `  ${at + 1}. ${step}`)];
}
