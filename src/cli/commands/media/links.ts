import { KEEP, readKeep, rotateLinks } from "../../../actions/relay/rotate-links.ts";
import type { Config } from "../../../config/schema.ts";
import { RelayError } from "../../../errors.ts";
import { sleep } from "../../../platform/timing.ts";
import { suggest } from "../../../rules/nearest.ts";
import { typeOf } from "../../../targets/table.ts";
import type { Command } from "../../command.ts";
import { commonOptions } from "../../options.ts";
import { print } from "../../output/print.ts";
import { inZone, showTime } from "../../output/times.ts";
import { askFirst, type Program } from "../../program.ts";
import { openSources } from "../../sources.ts";

/** Within this a running relay notices what a command has committed (ARCHITECTURE, "Jobs"); milliseconds. */
const NOTICED = 1_000;

const VERBS = ["rotate"] as const;

export const links: Command = {
  name: "media links",
  summary: "gives links to copies a new signature",
  examples: {
    "wochit-relay media links rotate": "signs links anew; those that were given out stay valid for 30 days",
    "wochit-relay media links rotate --keep 0s": "ends all links that were given out at once: one has leaked",
  },
  positionals: "rotate",
  words: async () => VERBS,
  options: {
    keep: { type: "string", value: "TIME", help: `how long links that were given out stay valid (default ${KEEP})` },
    yes: { type: "boolean", short: "y", help: "do not ask first" },
    ...commonOptions,
  },
  help: `Links to copies hold a signature ("sig") by a secret of the database. A new secret signs from now on, in what is sent and in
what is shown; the running relay takes it within a second. The secret is never shown. --keep bounds all earlier secrets: none
stays valid for longer. Apps that keep links need the new ones before the old ones end: "events replay --new-id" sends them.`,
  async run(program, args) {
    const [verb] = args.positionals;
    if (verb !== "rotate") {
      throw new RelayError("usage", `unknown command "media links ${verb}"${suggest(verb!, [...VERBS])}`);
    }
    const keep = readKeep(args.text("keep") ?? KEEP);
    const { store, config } = await openSources(program);
    const now = program.ports.clock.now();
    const ends = keep === 0 ? "at once" : `at ${showTime(now + keep, program.zone)}`;
    const question = `all links to copies that were given out so far would end ${ends}`;
    if (!args.flag("yes") && (await askFirst(program, question)) === false) return 1;
    const done = await rotateLinks(store, config, keep, program.ports);
    await untilNoticed(program, config);
    const { rotatedAt, keptUntil } = done;
    const lines = [
      keptUntil === null
        ? "links have a new signature; those that were given out before have ended"
        : `links have a new signature; those that were given out before stay valid until ${keptUntil}`,
      ...(done.links === "open" ? ['mirror.links is "open": every link is valid, whatever its signature'] : []),
      ...(config.mirror.publicBaseUrl === null
        ? []
        : ["links below mirror.publicBaseUrl have no signature, and stay as they are"]),
      ...(typeOf(config.mirror.target).folderOf(config.mirror.target) !== null
        ? []
        : ["an address in the bucket that a link has led to lives for up to 6 h more"]),
      `to send your apps the new ones: wochit-relay events replay --new-id --type video.ready --until "${untilOf(rotatedAt)}"`,
    ];
    print(program, args, done, `${lines.map((line) => inZone(line, program.zone)).join("\n")}\n`);
    return 0;
  },
};

/** So that no link is sent with the old signature after the command has ended. */
async function untilNoticed({ ports }: Program, { dataDir, store }: Config): Promise<void> {
  const { isRelayRunning } = await import("../../../store/sqlite/files/inspect.ts");
  if (store !== null || isRelayRunning(dataDir)) await sleep(NOTICED, ports.clock);
}

/** What was received until a relay had noticed, in whole seconds. */
const untilOf = (rotatedAt: string) =>
  new Date(Math.ceil((Date.parse(rotatedAt) + NOTICED) / 1_000) * 1_000).toISOString().replace(".000", "");
