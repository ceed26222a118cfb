import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reprocess } from "../../../src/actions/quarantine.ts";
import { forgetVideo, importContexts } from "../../../src/actions/videos.ts";
import { RelayError } from "../../../src/errors.ts";
import { reportMedia } from "../../../src/message/media-reports.ts";
import type { DeletionJob, DownloadJob, QueueName, UploadJob } from "../../../src/model/job.ts";
import type { Medium, SpooledFile } from "../../../src/model/medium.ts";
import type { TaskJob } from "../../../src/model/task.ts";
import { type Accept, createAccept } from "../../../src/receive/accept.ts";
import { settingsOf } from "../../../src/store/settings.ts";
import type { Store } from "../../../src/store/store.ts";
import { identityOf } from "../../../src/wochit/link-identity.ts";
import { configIn, endpoint } from "../../support/config.ts";
import { nextDue } from "../../support/next-due.ts";
import { answered } from "../../support/outcomes.ts";
import { type TestClock, testClock, testPorts } from "../../support/ports.ts";
import { seenBody, seenVideo } from "../intake/system.ts";
import { type OpenStore, shown } from "../walk.ts";
import {
  type Copy,
  DELETE_AFTER,
  type Deletion,
  type DownloadOutcome,
  type File,
  type Kind,
  type Link,
  MediaModel,
  type Mistake,
  type MovedCopy,
  type Options,
  type Place,
  type Post,
  START,
  type TaggedCopy,
  type UploadOutcome,
  write,
} from "./model.ts";

export type Download = { at: number; name: string; deadline: number; previous: TaggedCopy | null; job: unknown };
export type Upload = { at: number; job: unknown };
export type Removal = { at: number; copy: (Place & { bytes: number | null }) | null; job: unknown };
export type UploadNow = File & { videoId: string; kind: Kind; isSecond: boolean; own: Copy | null };

export type SeenMedium = {
  videoId: string;
  kind: Kind;
  event: string;
  /** Empty once it is erased. */
  name: string;
  state: string;
  copy: Copy | null;
  deadline: number;
  reason: string | null;
};
export type SeenEvent = {
  id: string;
  videoId: string;
  sequence: number;
  /** What a body that is built now says of its media. */
  said: Partial<Record<Kind, { status: string; key: string | null; sha: string | null }>>;
};
export type View = { media: SeenMedium[]; events: SeenEvent[]; notices: string[] };
/** What is known of each of these videos, and what the body of each event says but for its media: one text each. */
export type Said = { videos: string[]; bodies: string[] };

/** What the world works with. Media are named by the order in which they were made; events like `v#3`. */
export type MediaSystem = {
  now(): number;
  pass(to: number): void;
  accept(post: Post): Promise<"accepted" | "duplicate">;
  /** Keeps it in quarantine; its number there. */
  refuse(post: Post): Promise<number>;
  /** Null: it is not kept any longer. */
  reprocess(index: number): Promise<"accepted" | "duplicate" | null>;
  import(videoId: string, context: string): Promise<void>;
  claimDownloads(): Promise<Download[]>;
  settleDownload(download: Download, outcome: DownloadOutcome): Promise<boolean>;
  claimUploads(): Promise<Upload[]>;
  uploadOf(upload: Upload): Promise<UploadNow | null>;
  place(upload: Upload, place: Place): Promise<boolean>;
  settleUpload(upload: Upload, outcome: UploadOutcome): Promise<boolean>;
  claimDeletions(): Promise<Removal[]>;
  settleDeletion(removal: Removal, isDone: boolean): Promise<void>;
  isWanted(place: Place): Promise<boolean>;
  isSpooled(at: number): Promise<boolean>;
  /** False: that makes no sense now. */
  retry(at: number): Promise<boolean>;
  mend(at: number): Promise<boolean>;
  forget(videoId: string): Promise<boolean>;
  placeMove(at: number, from: MovedCopy, to: Place, passed: string[]): Promise<"placed" | "busy" | "changed">;
  settleMove(at: number, from: MovedCopy, to: Place, deletes: boolean): Promise<"moved" | "busy" | "changed">;
  /** The task that moves copies ends. */
  endMoves(): Promise<void>;
  /** What moves have left behind goes. */
  dropFormer(): Promise<void>;
  configure(change: Partial<Options>): Promise<void>;
  /** The process is another one. */
  restart(): Promise<void>;
  /** What was leased is free: who had it is gone. */
  freeLeases(): Promise<void>;
  revive(at: number): Promise<void>;
  raiseRisks(): Promise<{ at: number; share: number }[]>;
  /** The events that were sent. */
  deliver(): Promise<string[]>;
  nextWake(): Promise<number | null>;
  linked(key: string): Promise<Copy | null>;
  view(): Promise<View>;
  said(videos: string[]): Promise<Said>;
  close(): Promise<void>;
};

export type OpenSystem = () => Promise<MediaSystem>;

export async function openModel(mistake?: Mistake): Promise<MediaSystem> {
  const model = new MediaModel(mistake);
  const at = (id: number) => model.rows.findIndex((row) => row.id === id);
  const idAt = (index: number) => model.rows[index]!.id;
  const named = (id: number) => `${model.event(id).videoId}#${model.event(id).sequence}`;
  type Claim = { id: number; claim: number };
  type Claimed = Claim & { link: Link };

  return {
    now: () => model.now,
    pass(to) {
      model.now = Math.max(model.now, to);
    },
    accept: async (post) => model.accept(post),
    refuse: async (post) => model.refuse(post),
    reprocess: async (index) => model.reprocess(index),
    async import(videoId, context) {
      model.intake.import([{ videoId, context }], false, START + model.now);
    },
    claimDownloads: async () =>
      model.claimDownloads().map((job) => {
        const { id, link, deadline, previous } = job;
        return { at: at(id), name: link.name, deadline, previous, job };
      }),
    settleDownload: async ({ job }, outcome) => model.settleDownload(job as Claimed, outcome),
    claimUploads: async () => model.claimUploads().map((job) => ({ at: at(job.id), job })),
    uploadOf: async ({ job }) => model.uploadOf(job as Claim),
    place: async ({ job }, place) => model.place(job as Claim, place),
    settleUpload: async ({ job }, outcome) => model.settleUpload(job as Claim, outcome),
    claimDeletions: async () => model.claimDeletions().map((job) => ({ at: at(job.medium), copy: job.copy, job })),
    async settleDeletion({ job }, isDone) {
      if (isDone) model.deleted((job as Deletion).id);
    },
    isWanted: async (place) => model.isWanted(place),
    async isSpooled(index) {
      const { due, spooled } = model.rows[index]!;
      return due !== null || spooled !== null;
    },
    retry: async (index) => model.retry(idAt(index)),
    mend: async (index) => model.mend(idAt(index)),
    forget: async (videoId) => model.forget(videoId),
    placeMove: async (index, from, to, passed) => model.placeMove(idAt(index), from, to, passed),
    settleMove: async (index, from, to, deletes) => model.settleMove(idAt(index), from, to, deletes),
    endMoves: async () => model.endMoves(),
    dropFormer: async () => model.dropAllFormer(),
    configure: async (change) => model.configure(change),
    restart: async () => {},
    freeLeases: async () => model.freeLeases(),
    revive: async (index) => model.revive(idAt(index)),
    raiseRisks: async () => model.raiseRisks().map(({ id, share }) => ({ at: at(id), share })),
    deliver: async () => model.deliver().map(({ id }) => named(id)),
    nextWake: async () => model.nextWake(),
    linked: async (key) => model.linked(key),
    view: async () => ({
      media: model.rows.map(({ videoId, kind, event, link, state, copy, deadline, error }) => ({
        ...{
          videoId,
          kind,
          event: named(event),
          name: error === "erased on request" ? "" : link.name,
          state,
          deadline,
        },
        ...{ copy: state === "superseded" ? null : copy, reason: error },
      })),
      events: model.events.map((event) => {
        const said: SeenEvent["said"] = {};
        for (const [kind, { status, key, sha }] of Object.entries(model.report(event))) {
          said[kind as Kind] = { status, key, sha };
        }
        return { id: named(event.id), videoId: event.videoId, sequence: event.sequence, said };
      }),
      notices: model.notices.map(({ type, event, medium }) => `${type} ${named(event)} ${model.row(medium).kind}`),
    }),
    said: async (videos) => ({
      videos: videos.map((videoId) => shown(model.intake.video(videoId))),
      bodies: model.events.map((_, index) => withoutLinks(model.intake.body(index))),
    }),
    close: async () => {},
  };
}

const EVERYTHING = 999;
const SENDER = "192.0.2.1";

const bytesOf = (post: Post) => Buffer.from(write(post));

/** A body without its links, which become those of the copies. */
function withoutLinks(body: Record<string, unknown> | null): string {
  const { videoUrl: _, thumbnailUrl: __, ...rest } = body ?? {};
  return shown(rest);
}

function nameIn(url: string): string {
  return url === "" ? "" : identityOf(url).split("/").at(-1)!.split(".")[0]!;
}

function spooledFile({ bytes, sha, ext }: File): SpooledFile {
  return { bytes, sha256: sha, contentType: "x/y", ext, suspect: null, etag: sha, lastModified: null };
}

/** A store in a folder of its own, which is gone when it is closed. */
export async function openStoreSystem(openStore: OpenStore): Promise<MediaSystem> {
  const dir = mkdtempSync(join(tmpdir(), "wochit-relay-media-"));
  const clock: TestClock = testClock(START);
  let config = configIn(dir, { endpoints: [endpoint("cms", { order: "none" })] });
  const open = () => openStore(config, testPorts(clock));
  let store = await open();
  const targets: Record<string, string> = {};
  for (const name of ["t1", "t2"]) targets[name] = await store.targetId({ type: "local", dir: `/${name}` });

  const kept: string[] = [];
  const accept: Accept = (...said) => createAccept({ store })(...said);
  const real = (ms: number) => START + ms;
  const targetOf = (id: string) => Object.keys(targets).find((name) => targets[name] === id)!;
  const rows = async (): Promise<Medium[]> => (await store.media({ limit: EVERYTHING })).reverse();
  const indexOf = async (id: string) => (await rows()).findIndex((row) => row.id === id);
  const idAt = async (at: number) => (await rows())[at]!.id;
  const wish = () => ({ now: clock.now(), limit: EVERYTHING, leaseFor: 30_000 });
  const copyOf = ({ target, key, sha256 }: { target: string; key: string; sha256: string }): Copy => ({
    target: targetOf(target),
    key,
    sha: sha256,
  });

  let task: TaskJob | null = null;
  /** The task that moves copies, which every life goes on with. */
  async function moving(): Promise<TaskJob> {
    if (task !== null) return task;
    const { id } = await store.createRun({ verb: "move", options: {}, by: "test" }, clock.now());
    task = (await store.claimTask({ id, now: clock.now(), leaseFor: 30_000 })).job!;
    return task;
  }
  const moved = async (at: number, { target, key, sha }: Copy) => ({
    mediumId: await idAt(at),
    from: { target: targets[target]!, key, sha256: sha },
  });

  /** False where the store refuses it. */
  async function makesSense(work: Promise<unknown>): Promise<boolean> {
    try {
      await work;
      return true;
    } catch (error) {
      if (error instanceof RelayError && ["conflict", "not_found"].includes(error.code)) return false;
      throw error;
    }
  }

  async function notices(named: Map<string, string>): Promise<string[]> {
    const found: { id: string; text: string }[] = [];
    for (const type of ["mirrored", "failed"]) {
      for (const { id } of await store.events({ limit: EVERYTHING, types: [`relay.media.${type}`] })) {
        const body = await store.eventBody(id).catch(() => null);
        if (body === null) continue;
        const { relay } = JSON.parse(Buffer.from(body).toString());
        const [medium] = await store.eventMedia(id);
        found.push({ id, text: `${type} ${named.get(relay.aboutEventId)} ${medium?.kind}` });
      }
    }
    return found.sort((a, b) => (a.id < b.id ? -1 : 1)).map(({ text }) => text);
  }

  return {
    now: () => clock.now() - START,
    pass: (to) => clock.set(Math.max(clock.now(), real(to))),
    accept: async (post) => (await accept(bytesOf(post), SENDER, real(post.receivedAt), { late: post.isLate })).status,
    async refuse(post) {
      const refusal = { receivedAt: real(post.receivedAt), sourceAddress: SENDER, reason: "source" } as const;
      return kept.push((await store.quarantine({ ...refusal, body: bytesOf(post) })).id) - 1;
    },
    async reprocess(index) {
      let status: "accepted" | "duplicate" | null = null;
      const isKept = await makesSense(reprocess(store, accept, kept[index]!).then((answer) => ({ status } = answer)));
      return isKept ? status : null;
    },
    async import(videoId, context) {
      await importContexts(store, [{ videoId, context }], () => clock.now());
    },
    async claimDownloads() {
      if (!config.mirror.enabled) return [];
      const jobs = (await store.claimDownloads({ ...wish(), busyHosts: [] })).jobs;
      return Promise.all(
        jobs.map(async (job) => {
          const { mediumId, url, deadline, previous } = job;
          const tagged = previous && { ...copyOf(previous), tag: previous.etag };
          return { at: await indexOf(mediumId), name: nameIn(url), deadline: deadline - START, previous: tagged, job };
        }),
      );
    },
    async settleDownload({ job: claimed }, outcome) {
      const job = claimed as DownloadJob;
      const now = clock.now();
      const settle = (real: Parameters<Store["settleDownload"]>[1]) => store.settleDownload(job, real, now);
      if (outcome.is === "spooled") return (await settle({ ...outcome, file: spooledFile(outcome.file) })).settled;
      if (outcome.is === "unchanged") return (await settle({ is: "unchanged", copy: job.previous! })).settled;
      return (await settle(outcome.is === "retry" ? { ...outcome, at: real(outcome.at) } : outcome)).settled;
    },
    async claimUploads() {
      const jobs = (await store.claimUploads(wish())).jobs;
      return Promise.all(jobs.map(async (job) => ({ at: await indexOf(job.mediumId), job })));
    },
    async uploadOf({ job: claimed }) {
      const job = await store.refreshUpload(claimed as UploadJob, 30_000);
      if (job === null) return null;
      const { videoId, kind, isSecond, own, file } = job;
      const { sha256: sha, bytes, ext } = file;
      return { sha, bytes, ext, videoId, kind, isSecond, own: own && copyOf(own) };
    },
    place: ({ job }, { target, key }) => store.placeUpload(job as UploadJob, { target: targets[target]!, key }),
    async settleUpload({ job }, outcome) {
      const settle = (real: Parameters<Store["settleUpload"]>[1]) =>
        store.settleUpload(job as UploadJob, real, clock.now());
      if (outcome.is === "mirrored") return (await settle({ ...outcome, target: targets[outcome.target]! })).settled;
      return (await settle(outcome.is === "retry" ? { ...outcome, at: real(outcome.at) } : outcome)).settled;
    },
    async claimDeletions() {
      const jobs = (await store.claimDeletions(wish())).jobs;
      return Promise.all(
        jobs.map(async (job) => {
          const copy = job.copy && { ...job.copy, target: targetOf(job.copy.target) };
          return { at: await indexOf(job.mediumId), copy, job };
        }),
      );
    },
    async settleDeletion({ job }, isDone) {
      const outcome = isDone
        ? ({ is: "deleted" } as const)
        : ({ is: "retry", error: "down", at: clock.now() } as const);
      await store.settleDeletion(job as DeletionJob, outcome, clock.now());
    },
    isWanted: ({ target, key }) => store.isCopyWanted({ target: targets[target]!, key }),
    isSpooled: async (at) => store.isSpooled(await idAt(at)),
    retry: async (at) => makesSense(store.retryMedium(await idAt(at), clock.now())),
    mend: async (at) => makesSense(store.mendMedium(await idAt(at), clock.now())),
    forget: (videoId) => makesSense(forgetVideo(store, videoId, clock.now())),
    async placeMove(at, from, { target, key }, passed) {
      const to = { target: targets[target]!, key, passed };
      const { is } = await store.placeMove(await moving(), { ...(await moved(at, from)), to }, clock.now());
      assert.notEqual(is, "lost");
      return is as "placed";
    },
    async settleMove(at, from, { target, key }, deletes) {
      const to = { target: targets[target]!, key };
      const outcome = { is: "moved", to, deleteAt: deletes ? clock.now() : null } as const;
      const { is } = await store.settleMove(await moving(), await moved(at, from), outcome, clock.now());
      assert.notEqual(is, "lost");
      return is as "moved";
    },
    async endMoves() {
      if (task !== null) await store.cancelTask(task.id, "stopped", clock.now());
      task = null;
    },
    async dropFormer() {
      const job = await moving();
      for (const id of Object.values(targets)) await store.dropFormerCopies(job, id, clock.now());
    },
    async configure({ mirror, onDelete }) {
      const enabled = mirror ?? config.mirror.enabled;
      const policy = onDelete ?? config.mirror.onDelete;
      config = { ...config, mirror: { ...config.mirror, enabled, onDelete: policy, deleteAfter: DELETE_AFTER } };
      store.configure(settingsOf(config));
      if (mirror === false) await store.skipMedia(clock.now());
    },
    async restart() {
      await store.close();
      store = await open();
    },
    async freeLeases() {
      await store.freeLeases(clock.now());
    },
    revive: async (at) => store.reviveSpooled([await idAt(at)], clock.now()),
    async raiseRisks() {
      const risks = await store.raiseRisks(clock.now());
      return Promise.all(risks.map(async ({ mediumId, share }) => ({ at: await indexOf(mediumId), share })));
    },
    async deliver() {
      const sent: string[] = [];
      for (const job of (await store.claimDeliveries({ ...wish(), endpoint: "cms" })).jobs) {
        const isNotice = job.event.dialect === "notice";
        const pending = isNotice ? [] : reportMedia(job.media, job.event.id, () => "").pending;
        await store.settleDelivery(job, answered(200, { at: clock.now(), pending }), clock.now());
        if (!isNotice) sent.push(`${job.event.videoId}#${job.event.sequence}`);
      }
      return sent.sort();
    },
    async nextWake() {
      const queues: QueueName[] = [
        "upload",
        "delete",
        "deliver/cms",
        ...(config.mirror.enabled ? (["download"] as const) : []),
      ];
      const due = await Promise.all([...queues.map((queue) => nextDue(store, queue)), store.nextRisk()]);
      const times = due.filter((time) => time !== null);
      return times.length === 0 ? null : Math.max(clock.now(), Math.min(...times)) - START;
    },
    async linked(key) {
      const medium = await store.mediumByKey(key);
      if (medium === null || medium.target === null) return null;
      return copyOf({ target: medium.target, key: medium.key!, sha256: medium.sha256! });
    },
    async view() {
      const events = (await store.events({ limit: EVERYTHING })).reverse();
      const named = new Map(events.map(({ id, videoId, sequence }) => [id, `${videoId}#${sequence}`]));
      const media = (await rows()).map((row) => {
        const { videoId, kind, state, target, key, sha256 } = row;
        const isKept = state !== "superseded" && target !== null && key !== null;
        const copy = isKept ? copyOf({ target, key, sha256: sha256! }) : null;
        const [event, name] = [named.get(row.eventId)!, nameIn(row.sourceUrl)];
        return { videoId, kind, event, name, state, copy, deadline: row.deadline - START, reason: row.lastError };
      });
      const seen = await Promise.all(
        events.map(async ({ id, videoId, sequence }) => {
          const isKept = await store.eventBody(id).then(
            () => true,
            () => false,
          );
          const reports = reportMedia(isKept ? await store.eventMedia(id) : [], id, ({ key }) => key!).media;
          const said: SeenEvent["said"] = {};
          for (const [kind, { status, url, sha256 }] of Object.entries(reports)) {
            said[kind as Kind] = { status, key: url, sha: sha256 };
          }
          return { id: named.get(id)!, videoId: videoId!, sequence: sequence!, said };
        }),
      );
      return { media, events: seen, notices: await notices(named) };
    },
    async said(videos) {
      const events = (await store.events({ limit: EVERYTHING })).reverse();
      const [known, bodies] = await Promise.all([
        Promise.all(videos.map((videoId) => seenVideo(store, videoId))),
        Promise.all(events.map(({ id }) => seenBody(store, id))),
      ]);
      return { videos: known.map(shown), bodies: bodies.map(withoutLinks) };
    },
    async close() {
      await store.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
