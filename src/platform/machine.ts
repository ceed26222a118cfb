import { lookup } from "node:dns/promises";
import { networkInterfaces, tmpdir } from "node:os";
import process from "node:process";

/** Facts about this machine; empty where they cannot be read. */
export type Machine = {
  platform: string;
  /** The effective user id of this process; null where there are none (Windows). */
  user: number | null;
  /** Addresses of the network interfaces, loopback left out. */
  addresses: string[];
  /** For files that are not needed after the process. */
  tempDir: string;
  /** All addresses of a host name, from the system's resolver. */
  resolve(hostname: string): Promise<{ address: string; family: number }[]>;
};

export function lookAtMachine(): Machine {
  return {
    platform: process.platform,
    user: process.geteuid?.() ?? null,
    addresses: ownAddresses(),
    tempDir: tmpdir(),
    resolve: (hostname) => lookup(hostname, { all: true }),
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
