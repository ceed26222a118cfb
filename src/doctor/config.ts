import { AS_SOMEBODY_ELSE, type Finding, failed, ok, type Probe, warning } from "./probe.ts";

/** A config as it was judged; `path` is null where no file was found. */
export type Judged = { path: string | null; problems: string[]; warnings: string[] };

const NOT_SET = /environment variable \S+ is not set/;
const DENIED = /permission denied|EACCES/;
const UNSEEN = /cannot be looked at outside of the service/;

/** Where the config was found, and everything that is wrong with it: a line each. */
export function configProbe({ path, problems, warnings }: Judged): Probe {
  return {
    name: "config",
    patience: null,
    async run() {
      const findings = [...problems.map(describeProblem), ...warnings.map(describeWarning)];
      if (problems.length > 0) return findings;
      const found =
        path === null
          ? warning(
              "no config file was found: the defaults are used",
              "write /etc/wochit-relay/config.json, or name one with --config",
            )
          : ok(`${path} is valid`);
      return [found, ...findings];
    },
  };
}

function describeProblem(line: string): Finding {
  if (NOT_SET.test(line)) return failed(line, "the service may have it: run this in its environment");
  return failed(line, DENIED.test(line) ? AS_SOMEBODY_ELSE : null);
}

function describeWarning(line: string): Finding {
  return UNSEEN.test(line) ? warning(line, "while it runs, root can: sudo wochit-relay doctor") : warning(line);
}
