import { lookup } from "node:dns/promises";
import { networkInterfaces, tmpdir } from "node:os";
import process from "node:process";

/** Facts about this machine; empty where they cannot be read. */
export type Machine = ReturnType<typeof lookAtMachine>;

export function lookAtMachine() {
  return {
    platform: process.platform as string,
    /** The effective user id of this process; null where there are none (Windows). */
    user: process.geteuid?.() ?? null,
    /** Addresses of the network interfaces, loopback left out. */
    addresses: ownAddresses(),
    /** For files that are not needed after the process. */
    tempDir: tmpdir(),
    /** All addresses of a host name, from the system's resolver. */
    resolve: (hostname: string): Promise<{ address: string; family: number }[]> => lookup(hostname, { all: true }),
  };
}

function ownAddresses(): string[] {
  try {
    return Object.values(networkInterfaces()).flatMap((all) =>
      (all ?? []).filter(({ internal }) => !internal).map(({ address }) => address),
    );
  } catch {
    return [];
  }
}
