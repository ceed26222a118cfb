import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type DataFolder, readDataFolder } from "../../src/doctor/files/data-folder.ts";
import type { Account } from "../../src/doctor/files/permissions.ts";
import type { Finding, Probe } from "../../src/doctor/probe.ts";
import { tempFolder } from "./folder.ts";
import { realPorts } from "./real-ports.ts";
import { callCli } from "./spawn.ts";

/** What a probe finds, each finding under the probe's whole name. */
export async function findingsOf(probes: Probe[]): Promise<Record<string, Finding[]>> {
  const found: Record<string, Finding[]> = {};
  for (const { name, run } of probes) {
    const given = await run(new AbortController().signal, () => {});
    for (const finding of Array.isArray(given) ? given : [given]) {
      const whole = finding.of === undefined ? name : `${name}.${finding.of}`;
      found[whole] = [...(found[whole] ?? []), finding];
    }
  }
  return found;
}

/** The same for findings at hand: each under the name of its part, or "". */
export async function byPart(given: Finding[] | Promise<Finding[]>): Promise<Record<string, Finding[]>> {
  return Object.groupBy(await given, ({ of = "" }) => of) as Record<string, Finding[]>;
}

/** "state: detail", for a look at all of it. */
export function inWords(findings: Finding[] | undefined): string {
  return (findings ?? []).map(({ state, detail }) => `${state}: ${detail}`).join("\n");
}

/** The user of this process; null on Windows. */
export const user = process.geteuid?.() ?? null;

/** A data folder as a relay of this very user makes it. */
export function makeDataFolder(t: Parameters<typeof tempFolder>[0]): string {
  const dir = join(tempFolder(t), "data");
  mkdirSync(dir, { mode: 0o700 });
  writeFileSync(join(dir, "relay.db"), "", { mode: 0o600 });
  return dir;
}

export async function dataIn(dir: string): Promise<DataFolder> {
  const { data } = await readDataFolder(dir, { clock: realPorts().clock, platform: process.platform, user });
  return data!;
}

export const stranger = { uid: 4_000_000, gid: 4_000_000, name: "relay" };

/** The same folder, used by another user than the one who made its files: how it looks to root after root was at work. */
export async function dataUsedBy(dir: string, account: Partial<Account>): Promise<DataFolder> {
  const data = await dataIn(dir);
  return { ...data, account: { ...data.account!, ...account, groups: new Set<number>() } };
}

/** What the doctor says of a config, offline, by the names of its probes. */
export async function diagnose(configPath: string) {
  const { stdout } = await callCli(["doctor", "--offline", "--json", "--config", configPath]);
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  return (probe: string) => lines.find((line) => line.probe === probe);
}
