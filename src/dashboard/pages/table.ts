import type { Act, Page } from "../page.ts";
import { confirmActs, confirmPage } from "./confirm/page.ts";
import { deliveryActs, deliveryPage } from "./deliveries/delivery.ts";
import { deliveriesPage } from "./deliveries/list.ts";
import { endpointActs, endpointPage } from "./endpoints/endpoint.ts";
import { endpointsPage } from "./endpoints/list.ts";
import { pauseActs, pausePage } from "./endpoints/pause.ts";
import { eventBodyPage, eventPage } from "./events/event.ts";
import { eventsPage } from "./events/list.ts";
import { replayActs, replayPage } from "./events/replay.ts";
import { mediaPage } from "./media/list.ts";
import { mediaActs, mediumPage } from "./media/medium.ts";
import { quarantinePage } from "./quarantine/list.ts";
import { quarantineActs, refusedPage } from "./quarantine/refused.ts";
import { auditPage } from "./relay/audit.ts";
import { findPage } from "./relay/find.ts";
import { overviewPage } from "./relay/overview.ts";
import { settingsActs, settingsPage } from "./relay/settings.ts";
import { tasksPage } from "./tasks/list.ts";
import { taskActs, taskPage } from "./tasks/task.ts";
import { copyPage } from "./videos/copy.ts";
import { forgetActs, forgetPage } from "./videos/forget.ts";
import { videosPage } from "./videos/list.ts";
import { videoActs, videoPage } from "./videos/video.ts";

/** Every page. */
export const pages: Page[] = [
  ...[overviewPage, findPage],
  ...[eventsPage, eventPage, eventBodyPage, replayPage],
  ...[videosPage, videoPage, copyPage, forgetPage],
  ...[deliveriesPage, deliveryPage],
  ...[endpointsPage, endpointPage, pausePage],
  ...[mediaPage, mediumPage],
  ...[quarantinePage, refusedPage],
  ...[tasksPage, taskPage],
  ...[auditPage, settingsPage],
  confirmPage,
];

/** Everything that forms do. */
export const acts: Act[] = [
  // A line for each noun.
  ...replayActs,
  ...videoActs,
  ...forgetActs,
  ...deliveryActs,
  ...[...endpointActs, ...pauseActs],
  ...mediaActs,
  ...quarantineActs,
  ...taskActs,
  ...settingsActs,
  ...confirmActs,
];
