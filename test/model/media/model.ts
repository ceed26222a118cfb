import { type Answer, IntakeModel } from "../intake/model.ts";

/**
 * The rules of CONTRACT, "Media", of the gate and of the notices about media, as a program. What comes in is first judged by
 * the rules of intake (duplicates, order, whether a video is ready, what forget finds). Times are milliseconds from the walk's
 * beginning, and arguments. Hosts, targets and the spool are the world's (world.ts).
 */

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const LEASE = 30 * SECOND;
const THUMBNAIL_HOLD = 30 * SECOND;
const THUMBNAILS_UNDER_WAY = 3;
const RISKS = [0.5, 0.75, 0.9];
const OFF = "mirroring is off";
const ERASED = "erased on request";

export type Options = { mirror: boolean; target: string; onDelete: "keep" | "delete" };
export const OPTIONS: Options = { mirror: true, target: "t1", onDelete: "keep" };
/** When a walk begins, in milliseconds since 1970: the times of intake count from there. */
export const START = Date.UTC(2026, 0, 1);
export const DELETE_AFTER = 7 * DAY;
const LINK_LIFETIME = DAY;
const DEDUPE_WINDOW = 10 * MINUTE;
const MAX_WAIT = HOUR;

export type Kind = "video" | "thumbnail";
export const KINDS: Kind[] = ["video", "thumbnail"];

/** `name` is the file: the link without its signature. `expires`: as the link tells; null: it does not. */
export type Link = { kind: Kind; name: string; sig: number; expires: number | null };
export type Links = Partial<Record<Kind, Link>>;
/** `type` "legacy": none. `isLate`: it was kept in quarantine, or comes from a failover. */
export type Post = {
  type: string;
  videoId: string;
  links: Links;
  failure: boolean;
  context?: string;
  title?: string;
  receivedAt: number;
  isLate: boolean;
};
export type File = { sha: string; bytes: number; ext: string };
export type Place = { target: string; key: string };
export type Copy = Place & { sha: string };
type SizedPlace = Place & { bytes: number };
export type MovedCopy = Copy & { bytes: number };
export type TaggedCopy = Copy & { tag: string | null };
export type State = "pending" | "running" | "mirrored" | "failed" | "expired" | "skipped" | "superseded" | "deleted";
export type DownloadOutcome =
  | { is: "spooled"; file: File }
  | { is: "unchanged"; copy: TaggedCopy }
  | { is: "retry"; at: number; own?: boolean; error: string }
  | { is: "failed" | "expired"; error: string };
export type UploadOutcome =
  | ({ is: "mirrored" } & Place)
  | { is: "retry"; at: number; error: string }
  | { is: "lost"; error: string };

/** What the rules can be given wrong; each is found by the walks. */
export const MISTAKES = [
  "an earlier link takes a later one's place",
  "links that come while mirroring is off are dropped",
  "what was skipped stays skipped",
  "what was planned to be deleted is, also under keep",
  "a deletion ends downloads",
  "announced again is not wanted again",
  "a late deletion deletes what came after it",
  "a late thumbnail replaces a newer one",
  "draft.delete deletes a ready video's thumbnail",
  "former keys lead nowhere",
  "former places are forgotten",
  "who was told of a failure is owed nothing",
  "what waits for a superseded thumbnail is forgotten",
  "announced again is not the newest again",
  "a row with a copy takes over another file's link",
  "thumbnails are downloaded side by side",
  "a duplicate brings nothing",
  "a late worker settles",
  "a risk is told again",
  "a move turns what is being downloaded",
  "a move turns a copy that was let go",
  "where a copy was to be moved is forgotten",
  "what moves have left behind is forgotten",
] as const;
export type Mistake = (typeof MISTAKES)[number];

type Upload = { id: number; due: number; running: boolean; claims: number; places: Place[] };

export type Row = {
  id: number;
  videoId: string;
  kind: Kind;
  /** The newest event that announced it, its sequence, and when the newest was received. */
  event: number;
  sequence: number;
  announcedAt: number;
  link: Link;
  linkedAt: number;
  deadline: number;
  /** A draft's: the file behind the link may change. */
  changes: boolean;
  state: State;
  /** "first": a first try, which waits for nothing. */
  due: number | "first" | null;
  claims: number;
  copy: Copy | null;
  tag: string | null;
  formerKeys: string[];
  /** Where a move puts the copy, or may have. */
  move: SizedPlace | null;
  /** Where moves have left it. */
  former: SizedPlace[];
  spooled: File | null;
  upload: Upload | null;
  eraseAt: number | null;
  riskAt: number | null;
  error: string | null;
};

type Event = {
  id: number;
  videoId: string;
  sequence: number;
  receivedAt: number;
  media: Partial<Record<Kind, number>>;
  gateUntil: number | null;
  isOpen: boolean;
  isDelivered: boolean;
  isForgotten: boolean;
};

/** `waits`: it was told "pending"; else that there is no copy. */
type Owed = { medium: number; event: number; waits: boolean };
export type Deletion = { id: number; medium: number; copy: (Place & { bytes: number | null }) | null };
type Report = { status: string; key: string | null; sha: string | null; medium: number };

/** What a link comes with. */
type Bringer = { event: number; sequence: number; receivedAt: number; changes: boolean };

const isOnItsWay = ({ state }: Row) => state === "pending" || state === "running";
const isSecured = (row: Row) => row.copy !== null || row.spooled !== null;
const isAt = (a: Place, b: Place | null) => a.target === b?.target && a.key === b?.key;

export function deadlineOf({ expires }: Link, receivedAt: number): number {
  if (expires === null) return receivedAt + LINK_LIFETIME;
  return Math.min(Math.max(expires, receivedAt + HOUR), receivedAt + 7 * DAY);
}

export class MediaModel {
  now = 0;
  readonly config: Options = { ...OPTIONS };
  readonly rows: Row[] = [];
  readonly events: Event[] = [];
  readonly notices: { type: string; event: number; medium: number }[] = [];
  private readonly mistake: Mistake | undefined;
  readonly intake = new IntakeModel({ window: DEDUPE_WINDOW });
  private deletions: Deletion[] = [];
  private owed: Owed[] = [];
  private readonly refused: Post[] = [];
  private last = 0;

  constructor(mistake?: Mistake) {
    this.mistake = mistake;
  }

  private is(mistake: Mistake): boolean {
    return this.mistake === mistake;
  }

  row(id: number): Row {
    return this.rows.find((row) => row.id === id)!;
  }

  event(id: number): Event {
    return this.events.find((event) => event.id === id)!;
  }

  /** Those that are not superseded, the newest first. */
  private live(videoId: string, kind: Kind): Row[] {
    return this.rows
      .filter((row) => row.videoId === videoId && row.kind === kind && row.state !== "superseded")
      .sort((a, b) => b.sequence - a.sequence || b.id - a.id);
  }

  // What comes in

  accept(post: Post): "accepted" | "duplicate" {
    return this.takeIn(post, this.intake.post(write(post), START + post.receivedAt, post.isLate));
  }

  /** Keeps an event in quarantine; its number there. */
  refuse(post: Post): number {
    this.refused.push(post);
    return this.intake.refuse(write(post), START + post.receivedAt);
  }

  /** Null: it is not kept any longer. */
  reprocess(index: number): "accepted" | "duplicate" | null {
    const answer = this.intake.reprocess(index);
    const isTaken = answer.is === "accepted" || answer.is === "duplicate";
    return isTaken ? this.takeIn({ ...this.refused[index]!, isLate: true }, answer) : null;
  }

  private takeIn(post: Post, answer: Answer): "accepted" | "duplicate" {
    const { type, videoId, links, failure, receivedAt, isLate } = post;
    if (answer.is === "duplicate") {
      for (const link of announced(links)) this.repeat(type, videoId, link, receivedAt);
      return "duplicate";
    }
    const event: Event = {
      ...{ id: ++this.last, videoId, sequence: this.intake.sequence(videoId), receivedAt },
      ...{ media: {}, gateUntil: null, isOpen: true, isDelivered: false, isForgotten: false },
    };
    const what = failure ? null : type === "video.delete" ? "video" : type === "draft.delete" ? "draft" : null;
    const deletes = what !== null && this.config.onDelete === "delete";
    for (const link of deletes ? [] : announced(links)) {
      const row = this.file(link, { ...event, event: event.id, changes: type.startsWith("draft.") }, videoId);
      event.media[link.kind] = row.id;
      if (!failure && !this.is("announced again is not wanted again")) row.eraseAt = null;
    }
    this.events.push(event);
    if (!deletes && this.config.mirror && announced(links).length > 0) {
      event.gateUntil = receivedAt + MAX_WAIT;
      event.isOpen = false;
      event.isOpen = this.gateOf(event) === null;
    }
    if (what !== null && !isLate) this.openAll(videoId);
    if (deletes) this.planDeletion(videoId, what, receivedAt);
    return "accepted";
  }

  private openAll(videoId: string): void {
    for (const event of this.events) if (event.videoId === videoId) event.isOpen = true;
  }

  /** Of two links of the same file the one whose deadline is later; of equal ones the newer. True: the row's deadline is later now. */
  private takeLink(row: Row, link: Link, receivedAt: number): boolean {
    const deadline = deadlineOf(link, receivedAt);
    const isEarlier = row.link.name === link.name && deadline < row.deadline;
    if (isEarlier && !this.is("an earlier link takes a later one's place")) return false;
    const isLater = deadline > row.deadline || row.link.name !== link.name;
    Object.assign(row, { link, deadline, linkedAt: receivedAt });
    return isLater;
  }

  private riskOf(row: Row, after = this.now): number | null {
    if (row.copy !== null || row.spooled !== null) return null;
    const times = RISKS.map((share) => Math.round(row.linkedAt + share * (row.deadline - row.linkedAt)));
    return times.find((time) => time > after) ?? null;
  }

  private isBlocked(row: Row): boolean {
    if (row.kind === "video" || this.is("thumbnails are downloaded side by side")) return false;
    return this.live(row.videoId, row.kind).some((other) => other !== row && other.state === "running");
  }

  private begin(row: Row): void {
    Object.assign(row, { state: "pending", due: this.isBlocked(row) ? null : "first" });
  }

  private add(link: Link, by: Bringer, videoId: string, end: Pick<Row, "state" | "error"> | null): Row {
    const { event, sequence, receivedAt, changes } = by;
    const row: Row = {
      ...{ id: ++this.last, videoId, kind: link.kind, event, sequence, announcedAt: receivedAt, changes },
      ...{ link, linkedAt: receivedAt, deadline: deadlineOf(link, receivedAt), state: "pending", due: null, claims: 0 },
      ...{ copy: null, tag: null, formerKeys: [], move: null, former: [], spooled: null, upload: null },
      ...{ eraseAt: null, riskAt: null, error: null, ...end },
    };
    this.rows.push(row);
    if (end === null) {
      this.begin(row);
      row.riskAt = this.riskOf(row, receivedAt);
    }
    return row;
  }

  /** The row goes on with this link, as the event's; its download starts over. */
  private renew(row: Row, link: Link, { event, sequence, receivedAt, changes }: Bringer): Row {
    if (row.link.name !== link.name) row.tag = null;
    Object.assign(row, { event, sequence, changes, error: null, announcedAt: Math.max(row.announcedAt, receivedAt) });
    const isLater = this.takeLink(row, link, receivedAt);
    this.begin(row);
    row.riskAt = this.riskOf(row, isLater ? receivedAt : this.now);
    return row;
  }

  private freshen(row: Row, link: Link, by: Bringer): Row {
    row.announcedAt = Math.max(row.announcedAt, by.receivedAt);
    const isDone = row.spooled !== null || row.state === "mirrored";
    if (!isDone && row.state !== "running") return this.renew(row, link, by);
    const isLater = this.takeLink(row, link, by.receivedAt);
    if (!isDone) row.riskAt = this.riskOf(row, isLater ? by.receivedAt : this.now);
    return row;
  }

  /** Mirroring is off: the link is remembered, for when it is on again. `again`: so is that a copy is to be fetched anew. */
  private remember(row: Row, link: Link, receivedAt: number, again = false): void {
    if (this.is("links that come while mirroring is off are dropped")) return;
    this.takeLink(row, link, receivedAt);
    if (["failed", "expired", "deleted"].includes(row.state)) Object.assign(row, { state: "skipped", error: OFF });
    if (again && row.state === "mirrored") row.error = OFF;
  }

  private makeNewest(row: Row, { event, sequence, receivedAt }: Bringer): Row {
    if (this.is("announced again is not the newest again")) return row;
    return Object.assign(row, { event, sequence, announcedAt: Math.max(row.announcedAt, receivedAt) });
  }

  private same(link: Link, rows: Row[]): Row | undefined {
    return rows.find((row) => row.link.name === link.name && row.error !== ERASED);
  }

  private file(link: Link, by: Bringer, videoId: string): Row {
    const rows = this.live(videoId, link.kind);
    const same = this.same(link, rows);
    const off = this.config.mirror ? null : ({ state: "skipped", error: OFF } as const);
    const isThumbnail = link.kind === "thumbnail";
    if (
      isThumbnail &&
      rows.some((row) => row.announcedAt > by.receivedAt) &&
      !this.is("a late thumbnail replaces a newer one")
    ) {
      if (same === undefined)
        return this.add(link, by, videoId, { state: "superseded", error: "a newer one was received" });
      this.bring(same, link, by);
      return same;
    }
    if (off !== null) {
      if (same === undefined) return this.add(link, by, videoId, off);
      const changes = isThumbnail && (by.changes || same.changes);
      if (changes && same.spooled !== null) return this.add(link, by, videoId, off);
      same.changes = changes;
      this.remember(same, link, by.receivedAt, changes);
      return this.makeNewest(same, by);
    }
    if (!isThumbnail) return same ? this.freshen(same, link, by) : this.add(link, by, videoId, null);
    return this.fileThumbnail(link, by, videoId, rows, same);
  }

  private fileThumbnail(link: Link, by: Bringer, videoId: string, rows: Row[], same?: Row): Row {
    const underWay = rows.filter((row) => isOnItsWay(row) && row.spooled === null);
    const takesOver = this.is("a row with a copy takes over another file's link");
    const [first] = underWay.filter(({ state }) => state === "pending");
    if (takesOver && first?.copy) return this.renew(first, link, by);
    const eldest = underWay.findLast((row) => row.state === "pending" && row.copy === null);
    const addOne = () =>
      underWay.length < THUMBNAILS_UNDER_WAY || eldest === undefined
        ? this.add(link, by, videoId, null)
        : this.renew(eldest, link, by);
    if (same === undefined) return addOne();
    if (same.state === "pending" && same.spooled === null) return this.renew(same, link, by);
    const changes = by.changes || same.changes;
    if (changes && (same.state === "running" || same.spooled !== null)) return addOne();
    if (changes && same.state === "mirrored") return this.renew(same, link, by);
    return this.makeNewest(this.freshen(same, link, by), by);
  }

  /** A link of the row's own file, of an event that is not the newest to announce it. */
  private bring(row: Row, link: Link, { receivedAt, changes }: Pick<Bringer, "receivedAt" | "changes">): void {
    const { event, sequence, announcedAt } = row;
    if (this.config.mirror) this.freshen(row, link, { event, sequence, receivedAt, changes });
    else this.remember(row, link, receivedAt);
    row.announcedAt = announcedAt;
  }

  private repeat(type: string, videoId: string, link: Link, receivedAt: number): void {
    const row = this.same(link, this.live(videoId, link.kind));
    if (!row || row.state === "deleted" || this.is("a duplicate brings nothing")) return;
    this.bring(row, link, { receivedAt, changes: type.startsWith("draft.") });
  }

  // Downloads

  /** The newer thumbnail that has a copy, or is in the spool. */
  private successor(row: Row): Row | null {
    if (row.kind === "video") return null;
    const newer = this.live(row.videoId, row.kind).filter((other) => other.sequence > row.sequence);
    return newer.find(isSecured) ?? null;
  }

  private giveWay(row: Row): boolean {
    const by = this.successor(row);
    if (by === null) return false;
    const places = this.letGo(row, by);
    this.follow(row);
    if (by.spooled === null && places.some((place) => isAt(place, by.copy))) {
      by.tag = null;
      this.restart(by, "an older thumbnail may be in its place");
    } else if (by.state === "mirrored") this.tell(by, "mirrored");
    return true;
  }

  private takeUp(): void {
    if (!this.config.mirror || this.is("what was skipped stays skipped")) return;
    for (const row of this.rows) if (waitsForMirroring(row)) this.restart(row, null);
  }

  /** Leases all that are due: first tries by their deadlines, then repeated ones. */
  claimDownloads() {
    this.takeUp();
    if (!this.config.mirror) return [];
    const due = this.rows.filter(({ due }) => due === "first" || (due !== null && due <= this.now));
    const rank = (row: Row) => (row.due === "first" ? 0 : 1);
    due.sort((a, b) => rank(a) - rank(b) || a.deadline - b.deadline || a.id - b.id);
    return due.flatMap((row) => {
      if (this.giveWay(row)) return [];
      if (this.isBlocked(row)) {
        row.due = null;
        return [];
      }
      Object.assign(row, { state: "running", due: this.now + LEASE, claims: row.claims + 1 });
      const { id, claims, link, deadline } = row;
      return [{ id, claim: claims, link, deadline, previous: this.previous(row) }];
    });
  }

  /** The copy of the very same link, for a conditional request. */
  private previous(row: Row): TaggedCopy | null {
    if (row.kind === "video" || (!row.changes && row.copy === null)) return null;
    const others = this.live(row.videoId, row.kind);
    const same = others.find(({ state, link }) => state === "mirrored" && link.name === row.link.name);
    const found = row.copy && row.tag ? row : same;
    return found?.copy ? { ...found.copy, tag: found.tag } : null;
  }

  settleDownload({ id, claim, link }: { id: number; claim: number; link: Link }, outcome: DownloadOutcome): boolean {
    const row = this.row(id);
    const isHeld = row.claims === claim || this.is("a late worker settles");
    if (row.state !== "running" || !isHeld) return false;
    if (outcome.is === "spooled") {
      row.state = "pending";
      if (!this.giveWay(row)) this.spool(row, outcome.file);
    } else if (outcome.is === "unchanged") this.mirror(row, outcome.copy, outcome.copy.tag);
    // A failure says nothing of a fresher link.
    else if (row.link.sig !== link.sig) this.restart(row, outcome.error);
    else if (outcome.is !== "retry") this.end(row, outcome.is, outcome.error);
    else {
      row.state = "pending";
      if (this.giveWay(row)) return true;
      Object.assign(row, { due: outcome.at, error: outcome.error });
      this.follow(row);
    }
    return true;
  }

  private restart(row: Row, error: string | null): void {
    this.dropSpooled(row);
    this.begin(row);
    Object.assign(row, { error, riskAt: this.riskOf(row) });
    this.follow(row);
  }

  private spool(row: Row, file: File): void {
    const upload = { id: ++this.last, due: this.now, running: false, claims: 0, places: [] };
    Object.assign(row, { state: "pending", due: null, riskAt: null, error: null, spooled: file, upload });
    for (const other of this.older(row)) if (other.spooled !== null) this.letGo(other, row);
    this.follow(row);
  }

  private end(row: Row, state: "failed" | "expired" | "skipped", error: string): void {
    Object.assign(row, { state: row.copy === null ? state : "mirrored", due: null, riskAt: null, error });
    this.follow(row);
    this.tell(row, "failed");
  }

  /** Gates are looked at anew (one that has opened stays open), and the thumbnail that waited for this one begins. */
  private follow(row: Row): void {
    for (const event of this.events) {
      if (event.videoId === row.videoId && this.gateOf(event) === null) event.isOpen = true;
    }
    const others = this.live(row.videoId, "thumbnail");
    if (row.kind === "video" || others.some(({ state }) => state === "running")) return;
    for (const other of others) {
      if (other.state === "pending" && other.due === null && other.spooled === null) other.due = "first";
    }
  }

  // Uploads

  claimUploads(): { id: number; claim: number }[] {
    const due = () => this.rows.filter(({ upload }) => upload !== null && upload.due <= this.now);
    for (const row of due()) if (row.upload !== null) this.giveWay(row);
    return due()
      .sort((a, b) => a.upload!.due - b.upload!.due || a.upload!.id - b.upload!.id)
      .map(({ id, upload }) => {
        Object.assign(upload!, { running: true, due: this.now + LEASE, claims: upload!.claims + 1 });
        return { id, claim: upload!.claims };
      });
  }

  private held({ id, claim }: { id: number; claim: number }): Row | null {
    const row = this.row(id);
    return row.upload?.running && row.upload.claims === claim ? row : null;
  }

  /** What the worker needs to know to put the file, as of now; null: the claim is another's. */
  uploadOf(job: { id: number; claim: number }) {
    const row = this.held(job);
    if (row === null) return null;
    row.upload!.due = this.now + LEASE;
    if (this.giveWay(row)) return null;
    const others = this.live(row.videoId, "video").filter((other) => other !== row && other.copy !== null);
    const { videoId, kind, copy } = row;
    return { ...row.spooled!, videoId, kind, isSecond: kind === "video" && others.length > 0, own: copy };
  }

  place(job: { id: number; claim: number }, place: Place): boolean {
    const row = this.held(job);
    if (row === null) return false;
    const places = this.is("former places are forgotten") ? [] : row.upload!.places;
    row.upload!.places = [...places.filter((other) => !isAt(other, place)), place];
    return true;
  }

  settleUpload(job: { id: number; claim: number }, outcome: UploadOutcome): boolean {
    const row = this.held(job);
    if (row === null) return false;
    if (outcome.is === "retry") Object.assign(row.upload!, { running: false, due: outcome.at });
    else if (outcome.is === "lost") this.restart(row, outcome.error);
    else {
      const { target, key } = outcome;
      const { sha, bytes } = row.spooled!;
      const { places } = row.upload!;
      this.mirror(row, { target, key, sha }, sha);
      for (const place of places) if (!isAt(place, outcome)) this.remove(row, { ...place, bytes });
    }
    return true;
  }

  private mirror(row: Row, { target, key, sha }: Copy, tag: string | null): void {
    const { copy: former } = row;
    const copy = { target, key, sha };
    const done = { state: "mirrored", due: null, riskAt: null, spooled: null, upload: null, error: null };
    Object.assign(row, { ...done, copy, tag });
    if (former !== null && former.key !== key) row.formerKeys.push(former.key);
    if (former !== null && !isAt(former, copy)) this.dropCopy(row, former);
    const leaving = this.older(row).filter(({ state, spooled }) => state === "mirrored" || spooled !== null);
    const isOverwritten = leaving.flatMap((other) => this.supersede(other, row)).some((place) => isAt(place, copy));
    this.replaceAt(row, copy);
    if (isOverwritten) {
      row.tag = null;
      return this.restart(row, "an older thumbnail may be in its place");
    }
    this.follow(row);
    this.tell(row, "mirrored");
  }

  private replaceAt(row: Row, copy: Copy): void {
    if (row.kind === "video") return;
    for (const other of this.live(row.videoId, "thumbnail")) {
      if (other === row || !isAt(copy, other.copy) || other.copy!.sha === copy.sha) continue;
      other.formerKeys.push(copy.key);
      Object.assign(other, { copy: null, tag: null });
      if (other.state === "mirrored") this.restart(other, "another thumbnail was put in its place");
    }
  }

  private older(row: Row): Row[] {
    if (row.kind === "video") return [];
    return this.live(row.videoId, row.kind).filter((other) => other !== row && other.sequence <= row.sequence);
  }

  private supersede(row: Row, by: Row): Place[] {
    Object.assign(row, { state: "superseded", due: null, riskAt: null, eraseAt: null });
    this.passOn(row, by);
    const places = this.dropSpooled(row);
    if (row.copy) this.dropCopy(row, row.copy);
    this.dropFormer(row);
    return places;
  }

  /** A copy that it has stays until the newer one has its own. */
  private letGo(row: Row, by: Row): Place[] {
    if (row.copy === null || by.copy !== null) return this.supersede(row, by);
    Object.assign(row, { state: "mirrored", due: null, riskAt: null, error: null });
    this.passOn(row, by);
    return this.dropSpooled(row);
  }

  private dropSpooled(row: Row): Place[] {
    const { upload, spooled } = row;
    Object.assign(row, { spooled: null, upload: null });
    for (const place of upload?.places ?? []) this.remove(row, { ...place, bytes: spooled!.bytes });
    return upload?.places ?? [];
  }

  // Deletions

  isWanted(place: Place): boolean {
    return this.rows.some(({ state, copy }) => state !== "superseded" && isAt(place, copy));
  }

  private remove(row: Row, copy: Place & { bytes: number | null }): void {
    this.deletions.push({ id: ++this.last, medium: row.id, copy });
  }

  private dropCopy(row: Row, { target, key }: Copy): void {
    if (!this.isWanted({ target, key })) this.remove(row, { target, key, bytes: null });
  }

  private planDeletion(videoId: string, what: "video" | "draft", receivedAt: number): void {
    const isKept = this.intake.hasFile(videoId) && !this.is("draft.delete deletes a ready video's thumbnail");
    if (what === "draft" && isKept) return;
    for (const row of KINDS.flatMap((kind) => this.live(videoId, kind))) {
      const isMeant = what === "video" || (row.kind === "thumbnail" && row.changes);
      const isNewer = row.announcedAt > receivedAt && !this.is("a late deletion deletes what came after it");
      const comes = isSecured(row) || isOnItsWay(row) || waitsForMirroring(row);
      if (!isMeant || isNewer || !comes) continue;
      if (!isSecured(row) && this.is("a deletion ends downloads")) {
        this.discard(row, "the video was deleted before its copy was made");
        continue;
      }
      if (row.copy !== null && (row.due !== null || waitsForMirroring(row))) {
        this.end(row, "skipped", "the video was deleted");
      }
      row.eraseAt = receivedAt + DELETE_AFTER;
    }
  }

  /** What is due of deletions; here copies whose time has come let go. */
  claimDeletions(): Deletion[] {
    for (const row of this.rows) {
      if (row.eraseAt === null || row.eraseAt > this.now) continue;
      row.eraseAt = null;
      const isKept = this.config.onDelete === "keep";
      if (isKept && !this.is("what was planned to be deleted is, also under keep")) continue;
      this.discard(row, "deleted after the video was");
    }
    return [...this.deletions];
  }

  deleted(id: number): void {
    this.deletions = this.deletions.filter((deletion) => deletion.id !== id);
  }

  private discard(row: Row, error: string): void {
    const { copy } = row;
    const gone = { state: "deleted", due: null, riskAt: null, eraseAt: null, copy: null, formerKeys: [] };
    Object.assign(row, { ...gone, error });
    this.dropSpooled(row);
    if (copy) this.dropCopy(row, copy);
    if (!this.is("what moves have left behind is forgotten")) this.dropFormer(row);
    this.follow(row);
    this.tell(row, "failed");
  }

  // Moves

  /** What comes of a download, or of an upload, would not know of another place of its copy. */
  private isBusy(row: Row): boolean {
    if (row.spooled !== null) return true;
    if (this.is("a move turns what is being downloaded")) return false;
    return [row, ...this.live(row.videoId, row.kind)].some(
      (other) => (other === row || row.kind === "thumbnail") && other.state === "running",
    );
  }

  /** Whether a copy is still what was read, and may be moved now. */
  private fit(row: Row, from: MovedCopy): "fits" | "busy" | "changed" {
    const isSame = row.copy?.sha === from.sha && isAt(from, row.copy) && row.state !== "superseded";
    if (!isSame && !this.is("a move turns a copy that was let go")) return "changed";
    return this.isBusy(row) ? "busy" : "fits";
  }

  /** A copy is about to be put in another place. `passed`: keys there that hold another file. */
  placeMove(id: number, from: MovedCopy, to: Place, passed: string[]): "placed" | "busy" | "changed" {
    const row = this.row(id);
    const fit = this.fit(row, from);
    if (fit !== "fits") return fit;
    const { move } = row;
    const isPassed = move?.target === to.target && passed.includes(move.key);
    if (move !== null && !isAt(to, move) && !isPassed) this.remove(row, move);
    row.move = { ...to, bytes: from.bytes };
    return "placed";
  }

  /** It is there: the row turns, if it still has the copy that was moved. `deletes`: the one that was moved goes. */
  settleMove(id: number, from: MovedCopy, to: Place, deletes: boolean): "moved" | "busy" | "changed" {
    const row = this.row(id);
    const fit = this.fit(row, from);
    if (fit === "busy") return fit;
    if (fit === "changed") {
      this.dropMove(row);
      return fit;
    }
    const { target, key, sha, bytes } = from;
    if (key !== to.key) row.formerKeys.push(key);
    Object.assign(row, { copy: { ...to, sha }, move: null, former: row.former.filter((place) => !isAt(place, to)) });
    if (deletes) this.dropCopy(row, { target, key, sha });
    else row.former.push({ target, key, bytes });
    return "moved";
  }

  private dropMove(row: Row): void {
    const { move } = row;
    row.move = null;
    if (move !== null && !this.is("where a copy was to be moved is forgotten")) this.remove(row, move);
  }

  /** No copy is being moved any longer. */
  endMoves(): void {
    for (const row of this.rows) this.dropMove(row);
  }

  private dropFormer(row: Row): void {
    for (const place of row.former.splice(0)) this.remove(row, place);
  }

  /** What moves have left behind goes. */
  dropAllFormer(): void {
    for (const row of this.rows) this.dropFormer(row);
  }

  forget(videoId: string): boolean {
    if (typeof this.intake.forget(videoId, START + this.now) === "string") return false;
    const mine = this.rows.filter((row) => row.videoId === videoId);
    this.owed = this.owed.filter(({ medium }) => this.row(medium).videoId !== videoId);
    for (const row of mine) {
      if (row.state === "superseded") row.copy = null;
      this.discard(row, ERASED);
    }
    for (const event of this.events) {
      if (event.videoId === videoId) Object.assign(event, { isOpen: true, isForgotten: true });
    }
    return true;
  }

  // Operators, config, process

  retry(id: number): boolean {
    const row = this.row(id);
    const isRetried = ["pending", "failed", "expired", "skipped"].includes(row.state);
    if (!this.config.mirror || !isRetried || row.error === ERASED) return false;
    if (row.upload !== null) {
      if (!row.upload.running) row.upload.due = this.now;
      return true;
    }
    if ((row.state === "pending" && row.due === null) || this.successor(row)) return false;
    this.restart(row, null);
    return true;
  }

  mend(id: number): boolean {
    const row = this.row(id);
    if (!this.config.mirror || row.state !== "mirrored") return false;
    row.tag = null;
    this.restart(row, "its copy is missing or damaged");
    return true;
  }

  configure(change: Partial<Options>): void {
    const was = this.config.mirror;
    Object.assign(this.config, change);
    if (!was || this.config.mirror) return;
    for (const row of this.rows) if (isOnItsWay(row) && row.spooled === null) this.end(row, "skipped", OFF);
  }

  /** The process died: its leases are free. */
  freeLeases(): void {
    const running = this.rows.filter(({ state }) => state === "running");
    for (const { upload } of this.rows) if (upload?.running) Object.assign(upload, { running: false, due: this.now });
    for (const row of running) Object.assign(row, { state: "pending", due: this.now });
    for (const row of running) if (row.state === "pending") this.giveWay(row);
  }

  /** A file of the spool has turned up again. */
  revive(id: number): void {
    const row = this.row(id);
    const isLost = row.kind === "video" && row.copy === null && ["failed", "expired"].includes(row.state);
    if (isLost) this.restart(row, row.error);
  }

  raiseRisks(): { id: number; share: number }[] {
    const due = this.rows.filter(({ riskAt }) => riskAt !== null && riskAt <= this.now);
    return due.map((row) => {
      const { id, linkedAt, deadline } = row;
      const share = RISKS.findLast((one) => linkedAt + one * (deadline - linkedAt) <= this.now + 1) ?? RISKS[0]!;
      if (!this.is("a risk is told again")) row.riskAt = this.riskOf(row);
      return { id, share };
    });
  }

  // Deliveries and notices

  /** Until when the gate of an event stays shut; null: it is open. */
  private gateOf({ isOpen, media, gateUntil, receivedAt }: Event): number | null {
    if (isOpen || gateUntil === null) return null;
    const video = media.video === undefined ? null : this.row(media.video);
    const thumbnail = media.thumbnail === undefined ? null : this.speaker(media.thumbnail);
    const holds = thumbnail !== null && (thumbnail.id === media.thumbnail || thumbnail.copy === null);
    let until: number | null = null;
    if (holds && isOnItsWay(thumbnail)) until = Math.min(gateUntil, receivedAt + THUMBNAIL_HOLD);
    if (video !== null && isOnItsWay(video)) until = gateUntil;
    return until !== null && until > this.now ? until : null;
  }

  /** A thumbnail that was superseded is the one that took its place, or is about to. */
  private speaker(id: number): Row {
    const row = this.row(id);
    if (row.state !== "superseded") return row;
    const others = this.live(row.videoId, row.kind);
    const mirrored = others.find(({ state }) => state === "mirrored");
    return mirrored ?? others.find(({ spooled }) => spooled) ?? others.find(isOnItsWay) ?? others[0] ?? row;
  }

  /** What a body that is built now says of an event's media. */
  report(event: Event): Partial<Record<Kind, Report>> {
    const said: Partial<Record<Kind, Report>> = {};
    for (const kind of KINDS) {
      const id = event.media[kind];
      if (id === undefined || event.isForgotten) continue;
      const row = this.speaker(id);
      const isKept = isOnItsWay(row) && row.copy !== null && row.event !== event.id;
      const copy = row.state === "mirrored" || isKept ? row.copy : null;
      const none = isOnItsWay(row) ? "pending" : ["superseded", "deleted"].includes(row.state) ? "skipped" : row.state;
      const status = copy ? "mirrored" : none;
      said[kind] = { status, key: copy?.key ?? null, sha: copy?.sha ?? null, medium: row.id };
    }
    return said;
  }

  /** Sends what may go. */
  deliver(): Event[] {
    return this.events.filter((event) => {
      if (event.isDelivered || event.isForgotten || this.gateOf(event) !== null) return false;
      event.isDelivered = true;
      for (const { status, medium } of Object.values(this.report(event))) {
        if (status !== "mirrored") this.owe({ medium, event: event.id, waits: status === "pending" });
      }
      return true;
    });
  }

  private owe(one: Owed): void {
    if (!one.waits && this.is("who was told of a failure is owed nothing")) return;
    this.owed = [...this.owed.filter(({ medium, event }) => medium !== one.medium || event !== one.event), one];
  }

  private passOn(row: Row, by: Row): void {
    if (this.is("what waits for a superseded thumbnail is forgotten")) return;
    for (const one of this.owed.filter(({ medium }) => medium === row.id)) this.owe({ ...one, medium: by.id });
    this.owed = this.owed.filter(({ medium }) => medium !== row.id);
  }

  private tell(row: Row, type: "mirrored" | "failed"): void {
    const mine = this.owed.filter(({ medium }) => medium === row.id);
    this.owed = this.owed.filter(({ medium }) => medium !== row.id);
    for (const one of mine) {
      const { event, waits } = one;
      const own = this.event(event).media[row.kind];
      const speaker = type === "failed" && own !== undefined && own !== row.id ? this.speaker(own) : row;
      if (speaker !== row && (speaker.state === "mirrored" || isOnItsWay(speaker))) {
        if (speaker.state === "mirrored") this.notices.push({ type: "mirrored", event, medium: speaker.id });
        else this.owe({ ...one, medium: speaker.id });
        continue;
      }
      if (type === "mirrored" || waits) this.notices.push({ type, event, medium: row.id });
      if (type === "failed" && row.error !== ERASED) this.owe({ medium: row.id, event, waits: false });
    }
  }

  // What links answer, and when something is due

  /** The copy behind a key that was sent once. */
  linked(key: string): Copy | null {
    const own = this.rows.filter(({ copy }) => copy?.key === key).sort((a, b) => b.sequence - a.sequence);
    const present = own.find(({ state }) => state !== "superseded");
    if (present) return present.copy;
    const former = this.is("former keys lead nowhere") ? [] : this.rows.filter((row) => row.formerKeys.includes(key));
    const row = own[0] ?? former[0];
    if (row === undefined || row.kind === "video") return row?.copy ?? null;
    return this.live(row.videoId, "thumbnail").find(({ copy }) => copy !== null)?.copy ?? null;
  }

  nextWake(): number | null {
    const times: (number | null)[] = this.rows.flatMap((row) => [
      row.due === "first" ? this.now : row.due,
      row.upload?.due ?? null,
      row.eraseAt,
      row.riskAt,
      this.config.mirror && waitsForMirroring(row) ? this.now : null,
    ]);
    if (this.deletions.length > 0) times.push(this.now);
    for (const event of this.events) {
      if (!event.isDelivered && !event.isForgotten) times.push(this.gateOf(event) ?? this.now);
    }
    const real = times.filter((time) => time !== null);
    return real.length === 0 ? null : Math.max(this.now, Math.min(...real));
  }
}

/** Its download was skipped because mirroring is off. A copy that it has stays meanwhile. */
function waitsForMirroring({ state, error }: Row): boolean {
  return (state === "skipped" || state === "mirrored") && error === OFF;
}

function announced(links: Links): Link[] {
  return KINDS.flatMap((kind) => links[kind] ?? []);
}

/** The link as a URL: its name is the file, its signature and expiry are a presigned one's. */
export function urlOf({ kind, name, sig, expires }: Link): string {
  const ext = kind === "video" ? "mp4" : name.endsWith("z") ? "png" : "jpg";
  const file = `https://media.example/${name}.${ext}`;
  if (expires === null) return `${file}?X-Amz-Signature=${sig}`;
  const life = Math.floor(expires / 1000);
  return `${file}?X-Amz-Date=20260101T000000Z&X-Amz-Expires=${life}&X-Amz-Signature=${sig}`;
}

/** The text of a post. */
export function write({ type, videoId, links, failure, context, title }: Post): string {
  return JSON.stringify({
    ...(type !== "legacy" && { type }),
    wochitVideoId: videoId,
    ...(context !== undefined && { videoContext: context }),
    ...(title !== undefined && { title }),
    ...(links.video && { videoUrl: urlOf(links.video) }),
    ...(links.thumbnail && { thumbnailUrl: urlOf(links.thumbnail) }),
    ...(failure && { errorMessage: "no" }),
  });
}
