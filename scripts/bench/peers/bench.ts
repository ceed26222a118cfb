import type { Bench } from "../bench.ts";
export const benchPeers: Bench = async () => [];
