import { storeContract } from "./store.ts";
import { storeAlertsContract } from "./store-alerts.ts";
import { storeArchiveContract } from "./store-archive.ts";
import { storeAroundContract } from "./store-around.ts";
import { storeAuditContract } from "./store-audit.ts";
import { storeBackupsContract } from "./store-backups.ts";
import { storeBreakerContract } from "./store-breaker.ts";
import { storeChoiceContract } from "./store-choice.ts";
import { storeCoalescingContract } from "./store-coalescing.ts";
import { storeCopiesContract } from "./store-copies.ts";
import { storeCountsContract } from "./store-counts.ts";
import { storeFeedContract } from "./store-feed.ts";
import { storeIdsContract } from "./store-ids.ts";
import { storeIntakeContract } from "./store-intake.ts";
import { storeLanesContract } from "./store-lanes.ts";
import { storeLinksContract } from "./store-links.ts";
import { storeListsContract } from "./store-lists.ts";
import { storeMediaContract } from "./store-media.ts";
import { storeMovesContract } from "./store-moves.ts";
import { storeNoticesContract } from "./store-notices.ts";
import { storeRetentionContract } from "./store-retention.ts";
import { storeSessionsContract } from "./store-sessions.ts";
import { storeTaskFiltersContract } from "./store-task-filters.ts";
import { storeTasksContract } from "./store-tasks.ts";
import { storeTraceContract } from "./store-trace.ts";

/** What every store engine must do, in all its parts: each engine runs all of them. */
export const storeContracts = [
  storeContract,
  storeAlertsContract,
  storeArchiveContract,
  storeAroundContract,
  storeAuditContract,
  storeBackupsContract,
  storeBreakerContract,
  storeChoiceContract,
  storeCoalescingContract,
  storeCopiesContract,
  storeFeedContract,
  storeCountsContract,
  storeIdsContract,
  storeIntakeContract,
  storeLanesContract,
  storeLinksContract,
  storeListsContract,
  storeMediaContract,
  storeMovesContract,
  storeNoticesContract,
  storeRetentionContract,
  storeSessionsContract,
  storeTaskFiltersContract,
  storeTasksContract,
  storeTraceContract,
];
