import { RelayError } from "../../errors.ts";
import { suggest } from "../../rules/nearest.ts";
import type { Command } from "../command.ts";
import { SHELLS, scripts } from "../completion/scripts.ts";

export const command: Command = {
  name: "completion",
  summary: "prints the script by which a shell completes commands, options and their values",
  positionals: SHELLS.join("|"),
  words: async () => SHELLS,
  examples: {
    "wochit-relay completion bash > ~/.wochit-relay.bash": "for bash, where ~/.bashrc sources that file",
    "wochit-relay completion zsh > ~/.zfunc/_wochit-relay": "for zsh, where ~/.zfunc is in $fpath before compinit runs",
    "wochit-relay completion fish > ~/.config/fish/completions/wochit-relay.fish": "for fish",
  },
  options: {},
  help: `For a bash alone: source <(wochit-relay completion bash), in ~/.bashrc for each. The Debian package installs all three.`,
  async run({ stdout }, args) {
    const given = args.positionals[0]!;
    const shell = SHELLS.find((one) => one === given);
    if (shell === undefined) throw new RelayError("usage", `no script for "${given}"${suggest(given, SHELLS)}`);
    stdout.write(scripts[shell]);
  },
};
