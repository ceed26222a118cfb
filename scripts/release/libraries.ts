import { runTool } from "./run-tool.ts";

/** Debian's packages of the shared libraries that Node and SQLite's addon load. */
const PACKAGES: Record<string, string> = {
  "libc.so.6": "libc6",
  "libdl.so.2": "libc6",
  "libm.so.6": "libc6",
  "libpthread.so.0": "libc6",
  "ld-linux-x86-64.so.2": "libc6",
  "ld-linux-aarch64.so.1": "libc6",
  "libgcc_s.so.1": "libgcc-s1",
  "libstdc++.so.6": "libstdc++6",
};

/**
 * What the package depends on. The versions are what dpkg-shlibdeps(1) says of Node 24 and better-sqlite3's addon; it cannot
 * be asked about another processor's binary. adduser: see postinst.
 */
export const DEPENDS = "adduser, libc6 (>= 2.34), libgcc-s1 (>= 3.4), libstdc++6 (>= 11)";

/** Rejects where the program needs a library that DEPENDS does not bring. */
export async function assertKnownLibraries(binary: string): Promise<void> {
  const said = await runTool("readelf", ["--dynamic", "--wide", binary]);
  const needed = [...said.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name]) => name!);
  const unknown = needed.filter((name) => !Object.hasOwn(PACKAGES, name));
  if (unknown.length > 0) throw new Error(`${binary} needs ${unknown.join(", ")}: add its package in libraries.ts`);
}
