import type { Inspection } from "../config/load.ts";
import { type Finding, failed, ok, USE_ANOTHER_USER, warning } from "./probe.ts";

/** A validated config; `path` is null where no file was found. */
export type Judged = Pick<Inspection, "problems" | "warnings" | "secrets"> & { path: string | null };

/** The advice for a problem or a warning, by its words. */
const ADVICE: [RegExp, string][] = [
  [/environment variable \S+ is not set/, "the service may have it: run this in its environment"],
  [/permission denied|EACCES/, USE_ANOTHER_USER],
  [/cannot be looked at outside of the service/, "while it runs, root can: sudo wochit-relay doctor"],
];

/** Where the config was found, and everything that is wrong with it: a line each. */
export function judgeConfig({ path, problems, warnings }: Judged): Finding[] {
  const adviceFor = (line: string) => ADVICE.find(([words]) => words.test(line))?.[1] ?? null;
  const findings = [
    ...problems.map((line) => failed(line, adviceFor(line))),
    ...warnings.map((line) => warning(line, adviceFor(line))),
  ];
  if (problems.length > 0) return findings;
  if (path !== null) return [ok(`${path} is valid`), ...findings];
  const advice = "wochit-relay init writes one; --config names one that is elsewhere";
  return [warning("no config file was found: the defaults are used", advice), ...findings];
}
