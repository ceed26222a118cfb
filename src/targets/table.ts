import type { Config } from "../config/schema.ts";
import { openLocalTarget } from "./local/open.ts";
import type { MirrorTarget, Opening } from "./target.ts";

type TargetConfig = Config["mirror"]["target"];

/** One adapter for each target that a config can name: an option without its adapter does not compile. */
const openers: {
  [Type in TargetConfig["type"]]: (
    config: Extract<TargetConfig, { type: Type }>,
    opening: Opening,
  ) => Promise<MirrorTarget>;
} = {
  local: (config, { access, log }) => openLocalTarget(config, { access, log }),
  // Its client costs a hundred milliseconds and thirty megabytes: only whoever has a bucket pays them.
  s3: async (config, opening) => (await import("./s3/open.ts")).openS3Target(config, opening),
};

/** Opens a target. Throws what its adapter throws where it cannot be used. */
export function openTarget<Type extends TargetConfig["type"]>(
  config: Extract<TargetConfig, { type: Type }>,
  opening: Opening = {},
): Promise<MirrorTarget> {
  return openers[config.type as Type](config, opening);
}
