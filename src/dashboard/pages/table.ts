import type { Act, Page } from "../page.ts";
import { deliveryActs, deliveryPage } from "./deliveries/delivery.ts";
import { deliveriesPage } from "./deliveries/list.ts";
import { eventsPage } from "./events/list.ts";
import { auditPage } from "./relay/audit.ts";
import { findPage } from "./relay/find.ts";
import { overviewPage } from "./relay/overview.ts";
import { settingsActs, settingsPage } from "./relay/settings.ts";

/** Every page. */
export const pages: Page[] = [
  overviewPage,
  findPage,
  eventsPage,
  deliveriesPage,
  deliveryPage,
  auditPage,
  settingsPage,
];

/** Everything that forms do. */
export const acts: Act[] = [...deliveryActs, ...settingsActs];
