import { readFileSync } from "node:fs";

/** The text of a file in this folder. The build replaces this module with one that holds them all (scripts/bundle.ts). */
export const readAsset = (name: string): string => readFileSync(new URL(name, import.meta.url), "utf8");
