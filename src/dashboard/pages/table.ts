import type { Act, Page } from "../page.ts";
import { eventsPage } from "./events/list.ts";
import { overviewPage } from "./relay/overview.ts";

/** Every page. */
export const pages: Page[] = [overviewPage, eventsPage];

/** Everything that forms do. */
export const acts: Act[] = [];
