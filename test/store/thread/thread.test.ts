import { openStore } from "../../../src/store/open.ts";
import { type OpenStore, storeContract } from "../../contracts/store.ts";
import { storeCopiesContract } from "../../contracts/store-copies.ts";
import { storeIdsContract } from "../../contracts/store-ids.ts";
import { storeIntakeContract } from "../../contracts/store-intake.ts";
import { storeLanesContract } from "../../contracts/store-lanes.ts";
import { storeMediaContract } from "../../contracts/store-media.ts";

const openOnThread: OpenStore = (config, ports) => openStore(config, ports, { role: "relay", onThread: true });

for (const contract of [
  storeContract,
  storeCopiesContract,
  storeIdsContract,
  storeIntakeContract,
  storeLanesContract,
  storeMediaContract,
]) {
  contract("sqlite on a thread", openOnThread);
}
