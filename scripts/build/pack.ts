import { basename, dirname, join } from "node:path";
import process from "node:process";
import sea from "@yao-pkg/pkg/lib-es5/sea.js";

// node scripts/build/pack.ts <program.cjs> <version of Node> <platform> <arch> <output>
// What "pkg --sea" does in its simple mode (a plain file, no package.json), with two settings that its command line does not
// pass on. In a process of its own: pkg takes its folder from $HOME, changes the working folder, and prints.

const [program, version, platform, arch, output] = process.argv.slice(2) as [string, string, string, string, string];

// pkg works in a folder of its own in the temporary one, and the binary remembers how its program was named.
process.env.TMPDIR = dirname(program);

const seaConfig = {
  main: join("..", basename(program)),
  disableExperimentalSEAWarning: true,
  useSnapshot: false,
  useCodeCache: false,
  // SIGUSR1 would open a debugger to every user of the machine (nodejs.org/api/cli.html#--disable-sigusr1).
  execArgv: ["--disable-sigusr1"],
  // NODE_OPTIONS is meant for the Node of others, and what it asks for need not suit this one.
  execArgvExtension: "none",
};

const target = { nodeRange: `node${version}`, platform, arch, output };
await (sea as unknown as { default: typeof sea.default }).default(program, { targets: [target as never], seaConfig });
