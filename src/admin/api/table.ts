import type { Operation } from "../operation.ts";
import { alertOperations } from "./alerts.ts";
import { archiveOperations } from "./archive.ts";
import { deliveryOperations } from "./deliveries.ts";
import { endpointOperations } from "./endpoints.ts";
import { eventOperations } from "./events.ts";
import { mediaOperations } from "./media.ts";
import { quarantineOperations } from "./quarantine.ts";
import { relayOperations } from "./relay.ts";
import { taskOperations } from "./tasks.ts";
import { videoOperations } from "./videos.ts";

/** Every operation of the API. */
export const operations: Operation[] = [
  ...eventOperations,
  ...deliveryOperations,
  ...endpointOperations,
  ...videoOperations,
  ...mediaOperations,
  ...quarantineOperations,
  ...taskOperations,
  ...alertOperations,
  ...archiveOperations,
  ...relayOperations,
];
