import type { Job as ClaimedJob, QueueName } from "../../model/job.ts";
import type { Plan } from "../../model/plan.ts";
import { planEvent } from "../../rules/plan.ts";
import { parseEvent } from "../../wochit/event.ts";
import type { AuditVerbs } from "../access/audit.ts";
import type { RelayVerbs } from "../access/relays.ts";
import type { StoreSettings } from "../settings.ts";
import type { Accepted, Claimed, ClaimWish, Received, StoreVerbs } from "../store.ts";
import type { storeVerbs, Work, Works } from "../verbs.ts";
import { alertWorks, freeLeases as freeReceivers } from "./alerts/works.ts";
import { auditWorks } from "./audit.ts";
import * as claims from "./deliveries/claims.ts";
import * as deliveries from "./deliveries/deliveries.ts";
import * as endpoints from "./deliveries/endpoints.ts";
import { heldUp } from "./deliveries/held.ts";
import * as deliveryLists from "./deliveries/lists.ts";
import * as notices from "./deliveries/notices.ts";
import * as reasons from "./deliveries/reasons.ts";
import * as settling from "./deliveries/settle.ts";
import { listAround } from "./events/around.ts";
import * as events from "./events/events.ts";
import { listLacking } from "./events/lacking.ts";
import * as eventLists from "./events/lists.ts";
import * as quarantine from "./events/quarantine.ts";
import { knownTypes } from "./events/type-filter.ts";
import * as videos from "./events/videos.ts";
import * as feed from "./feed/feed.ts";
import * as preview from "./feed/preview.ts";
import * as risks from "./media/at-risk.ts";
import * as deletions from "./media/deletions.ts";
import * as downloads from "./media/downloads.ts";
import { linkWorks } from "./media/link-secrets.ts";
import * as lists from "./media/lists.ts";
import * as moves from "./media/moves.ts";
import * as copies from "./media/settle.ts";
import * as targets from "./media/targets.ts";
import * as transfers from "./media/transfers.ts";
import * as uploads from "./media/uploads.ts";
import { freeLease as freeRetention } from "./retention/reached.ts";
import { retentionWorks } from "./retention/works.ts";
import { countAll } from "./rows/counts.ts";
import { countListed } from "./rows/listed.ts";
import * as meta from "./rows/meta.ts";
import { ofRow, videosOf } from "./rows/named.ts";
import * as tallies from "./rows/tallies.ts";
import { sessionWorks } from "./sessions.ts";
import * as taskRows from "./tasks/rows.ts";
import { taskWorks } from "./tasks/works.ts";
import { about, aboutSome, apart, type Job, job, type Only, type Tx } from "./tx.ts";

/** Verbs that an engine answers in its own way. */
type OfEngine =
  | "indexTitles"
  | "changeMark"
  | "look"
  | keyof RelayVerbs
  | "forgetVideo"
  | "space"
  | "giveBack"
  | "probe"
  | "checkpoint"
  | "commits";

type Rules = Omit<Works<StoreVerbs, typeof storeVerbs>, OfEngine>;

/** What each verb of the store does, the same for every engine. `settings`: as they are at each call. */
export function createRules(settings: StoreSettings): Rules {
  const rules = rulesOf(settings);
  return { ...rules, ...auditWorks(rules) };
}

const rulesOf = (settings: StoreSettings): Omit<Rules, keyof AuditVerbs> => ({
  accept: (received) => ({ ...accepting(received, settings), gives: ({ leased }) => leased }),
  quarantine: (refusal) => apart("quarantine", (tx) => quarantine.keep(tx, refusal)),

  claimDownloads: claiming(downloads.nextDue, downloads.claim, ofMedia),
  claimDeliveries: claiming(
    (tx, { endpoint }) => claims.nextDue(tx, endpoint),
    claims.claim,
    ({ endpoint }) => ({ claim: endpoint }),
  ),
  claimUploads: claiming((tx) => transfers.nextDue(tx, "upload"), uploads.claim, ofMedia),
  claimDeletions: claiming((tx) => transfers.nextDue(tx, "delete", "erase"), deletions.claim, ofMedia),
  renew: (claimed, leaseFor) =>
    about(claimed.videoId, (tx) => holderOf(claimed.queue).renew(tx, claimed, leaseFor, tx.now())),
  refreshUpload: (claimed, leaseFor) => about(claimed.videoId, (tx) => uploads.refresh(tx, claimed, leaseFor)),
  placeUpload: (claimed, copy) => about(claimed.videoId, (tx) => uploads.place(tx, claimed, copy)),
  settleDownload: (claimed, outcome, now) =>
    about(claimed.videoId, (tx) => downloads.settle(tx, claimed, outcome, now)),
  settleUpload: (claimed, outcome, now) => about(claimed.videoId, (tx) => uploads.settle(tx, claimed, outcome, now)),
  settleDeletion: (claimed, outcome, now) =>
    about(claimed.videoId, (tx) => deletions.settle(tx, claimed, outcome, now)),
  settleDelivery: (claimed, outcome, now) => ({
    ...about(claimed.videoId, (tx) => settling.settle(tx, claimed, outcome, now)),
    judges: { endpoint: claimed.queue.slice("deliver/".length), fails: outcome.attempt.error !== null },
  }),
  freeLeases: (now) =>
    job(async (tx) => {
      let freed = 0;
      for (const holder of HOLDERS) freed += await holder.freeLeases(tx, now);
      taskRows.freeLeases(tx, now);
      await moves.clear(tx, now);
      await freeRetention(tx);
      await freeReceivers(tx);
      return freed;
    }),

  isCopyWanted: ({ target, key }) => job(async (tx) => copies.isWanted(tx, tx.ids.read("tgt", target), key)),
  spooledMedia: () =>
    job(async (tx) => {
      const [scheduled, uploading] = await Promise.all([downloads.scheduled(tx), transfers.uploading(tx)]);
      return [
        ...scheduled.map((id) => ({ mediumId: tx.ids.show("med", id), uploads: false })),
        ...uploading.map((id) => ({ mediumId: tx.ids.show("med", id), uploads: true })),
      ];
    }),
  reviveSpooled: (mediumIds, now) => {
    const idsOf = (tx: Tx) => mediumIds.map((id) => tx.ids.find("med", id));
    return aboutSome(
      (tx) => videosOf(tx, "media", idsOf(tx)),
      (tx) => downloads.revive(tx, idsOf(tx), now),
    );
  },
  isSpooled: (mediumId) => job((tx) => downloads.isSpooled(tx, tx.ids.find("med", mediumId))),
  raiseRisks: (now) => ({ ...job((tx) => risks.raise(tx, now)), only: ofMedia() }),
  nextRisk: () => job(risks.next),
  targetId: {
    answer: (place) => job((tx) => targets.known(tx, place)),
    run: (place, before) => job((tx) => targets.id(tx, place, before)),
  },
  targets: () => job(targets.list),
  skipMedia: (now) => downloads.skippingSome(now),

  bringForward: { run: (by, now) => job((tx) => bringForward(tx, by, now)), longest: OF_ALL },
  seenAt: {
    // Of several relays one does so for all: the others are held up meanwhile.
    answer: (now) => job(async (tx) => (tx.relay.isAlone || !(await meta.wasSeen(tx, now)) ? undefined : 0)),
    run: (now) =>
      job(async (tx) => {
        for (const holder of HOLDERS) await holder.mendDue(tx, now);
        taskRows.mendDue(tx, now);
        return meta.replaceSeenTime(tx, now);
      }),
    longest: OF_ALL,
  },

  event: (id) => job((tx) => events.show(tx, id)),
  eventBody: (id) => job((tx) => events.body(tx, id)),
  eventMedia: (id) => job((tx) => events.listMedia(tx, id)),
  events: (wish) => job((tx) => eventLists.list(tx, wish)),
  eventsAround: (ids) => job((tx) => listAround(tx, ids)),
  videosAround: (ids) => job((tx) => listLacking(tx, ids)),
  heldUp: (ids) => job((tx) => heldUp(tx, ids)),
  eventTypes: () => job(knownTypes),
  feed: (wish) => ({ ...job((tx) => feed.read(tx, wish)), isLive: true }),
  preview: (id, endpoint) => job((tx) => preview.read(tx, id, endpoint)),
  replay: (id, to, now) => ofRow("events", "evt", id, (tx) => events.replay(tx, id, to, now)),

  delivery: (id, limit) => job((tx) => deliveryLists.show(tx, id, limit)),
  deliveries: (wish) => job((tx) => deliveryLists.list(tx, wish)),
  deliveryReasons: (wish) => job((tx) => reasons.list(tx, wish)),
  retryDelivery: (id, now) => ofRow("deliveries", "dlv", id, (tx) => deliveries.retryOne(tx, id, now)),
  cancelDelivery: (id, now) => ofRow("deliveries", "dlv", id, (tx) => deliveries.cancel(tx, id, now)),
  endpoints: () => job(endpoints.list),
  pauseEndpoint: (id, reason, now) =>
    job(async (tx) => {
      if (await endpoints.pause(tx, id, reason, now)) await notices.tellOfEndpoint(tx, id, "paused", reason, now);
    }),
  resumeEndpoint: (id) =>
    job(async (tx) => {
      if (await endpoints.resume(tx, id)) await notices.tellOfEndpoint(tx, id, "resumed", RESUMED, tx.now());
    }),

  video: (videoId, limit) => about(videoId, (tx) => videos.show(tx, videoId, limit)),
  videos: (wish) => job((tx) => videos.list(tx, wish)),
  videosOfContext: (context, page) => job((tx) => videos.ofContext(tx, context, page)),
  importContexts: (rows, { override }, now) =>
    aboutSome(
      async () => rows.map(({ videoId }) => videoId),
      async (tx) => ({ imported: await videos.importAll(tx, rows, override, now) }),
    ),

  medium: (id) => job((tx) => lists.show(tx, id)),
  media: (wish) => job((tx) => lists.list(tx, wish)),
  mediumByKey: (key) => job((tx) => lists.byKey(tx, key)),
  retryMedium: (id, now) => ofRow("media", "med", id, (tx) => lists.retry(tx, id, now)),
  mendMedium: (id, now) => ofRow("media", "med", id, (tx) => lists.mend(tx, id, now)),

  quarantined: (wish) => job((tx) => quarantine.list(tx, wish)),
  countListed: (listed) => job((tx) => countListed(tx, listed)),
  quarantinedBody: (id) => job((tx) => quarantine.show(tx, id)),
  dropQuarantined: (id, event) => apart("quarantine", (tx) => quarantine.drop(tx, id, event)),

  ...alertWorks,
  ...linkWorks,
  ...retentionWorks,
  ...sessionWorks,
  ...taskWorks((received) => accepting(received, settings)),

  epoch: () => job(meta.readEpoch),
  counts: () => job(countAll),
  tallies: (wish) => job((tx) => tallies.read(tx, wish)),
  publicUrl: () => job(meta.readPublicUrl),
  notePublicUrl: (url) => apart("meta", (tx) => meta.writePublicUrl(tx, url)),
  lastCheck: () => job(meta.readCheck),
  noteCheck: (check) => apart("meta", (tx) => meta.writeCheck(tx, check)),
});

const ofMedia = (): Only => ({ claims: "media" });
const nameOf = (only: Only) => ("claim" in only ? only.claim : "");

const RESUMED = "resumed by an operator";

/** Whose rows are jobs. */
const HOLDERS = [downloads, transfers, deliveries];

function holderOf(queue: QueueName) {
  if (queue === "download") return downloads;
  return queue === "upload" || queue === "delete" ? transfers : deliveries;
}

/** What `accept` does. RelayError("invalid_json" or "invalid_event"): it is no event. */
export function accepting(received: Received, settings: StoreSettings): Job<Accepted> {
  const event = parseEvent(received.body);
  const { type, videoId } = event;
  const legacy = event.dialect === "legacy";
  return {
    key: videoId,
    lock: videos.VIDEO,
    async run(tx, video) {
      const given = event.context === null ? await videos.contextFor(tx, video, received) : null;
      const plan = planEvent(event, received.receivedAt, settings, given);
      const accepted = await events.accept(tx, video, { ...received, event, plan, given });
      const isNew = accepted.status === "accepted";
      const leased = isNew && received.lease ? await claims.leaseNew(tx, accepted.id, plan, received.lease) : [];
      const isLeased = (id: string) => leased.some(({ endpoint }) => endpoint === id);
      const fed = plan.deliveries.map(({ endpoint }) => endpoint).filter((id) => isNew && !isLeased(id));
      const feeds = { media: fedQueues(plan), endpoints: plan.opensGates ? null : fed };
      return { ...accepted, type, legacy, videoId, leased, feeds };
    },
  };
}

/** Uploads follow downloads. */
function fedQueues({ media, deletes }: Plan): QueueName[] {
  const fed: QueueName[] = media.some(({ refused }) => refused === null) ? ["download"] : [];
  return deletes === null ? fed : [...fed, "delete"];
}

/** What goes through all rows of a table may take as long, in milliseconds. */
export const OF_ALL = 600_000;

export async function bringForward(tx: Tx, by: number, now: number): Promise<void> {
  meta.setSeenTime(tx, now);
  for (const holder of HOLDERS) await holder.bringForward(tx, by, now);
  taskRows.bringForward(tx, by);
}

/** While another relay claims the same it is asked again after this, in milliseconds. */
const BUSY = 50;

/** A claim makes a transaction only where something is due. */
function claiming<Wish extends ClaimWish, J extends ClaimedJob>(
  nextDue: (tx: Tx, wish: Wish) => Promise<number | null>,
  claim: (tx: Tx, wish: Wish) => Promise<J[] | { jobs: J[]; isMore: true }>,
  only: (wish: Wish) => Only,
): Work<[Wish], Claimed<J>> {
  return {
    answer: (wish) =>
      job(async (tx) => {
        const due = await nextDue(tx, wish);
        return due === null || due > wish.now || wish.limit === 0 ? { jobs: [], nextDue: due } : undefined;
      }),
    run: (wish) => ({
      ...job(async (tx) => {
        const { isAlone } = tx.relay;
        if (!isAlone && !(await tx.holdEndpoint(nameOf(only(wish))))) {
          return { jobs: [], nextDue: wish.now + BUSY };
        }
        // It may have waited for a connection or a lock: a lease begins when it is given.
        const present = isAlone ? wish : { ...wish, now: Math.max(wish.now, tx.now()) };
        const found = await claim(tx, present);
        const { jobs, ...more } = Array.isArray(found) ? { jobs: found } : found;
        // There may be more where the limit was reached.
        return { jobs, nextDue: jobs.length < wish.limit ? await nextDue(tx, present) : wish.now, ...more };
      }),
      only: only(wish),
      gives: ({ jobs }) => jobs,
    }),
  };
}
