import { Bucket } from "./bucket.ts";
import type { Command } from "./commands.ts";
import { judge, judgeEnd, kept } from "./promises.ts";

/** Rules that can be left out; each has a walk that misses it. */
export const MISTAKES = [
  "an upload ends nothing that hangs at its key",
  "an upload does not look at its key",
  "a deletion ends nothing that hangs at its key",
  "where a file is put is not written down",
  "a copy is deleted although a row has it",
  "a deletion takes whatever its key holds",
  "copies of a video are worked on side by side",
  "a claim outlives its lease",
  "a spool takes up nothing before it is swept",
  "a file of a film that failed elsewhere is swept",
  "a whole file is asked for again",
  "what a relay has that is gone is waited for",
] as const;
export type Mistake = (typeof MISTAKES)[number];

/** Seconds. */
const LEASE = 20;
export const GONE_AFTER = 120;
const DAY = 86_400;

type Claim = { id: number; node: number; claims: number; until: number; isRunning: boolean };

/** A film's row; `node`: the relay that downloads it. */
export type Row = {
  medium: number;
  state: "pending" | "running" | "spooled" | "mirrored" | "failed" | "deleted";
  node: number;
  claims: number;
  until: number;
  /** Of its file in the spool, and of its copy. */
  sha: string | null;
  key: string | null;
};

type Deletion = Claim & { medium: number; copy: { key: string; sha: string | null } | null };

/** All that a failover can lose. */
export type Database = {
  row: Row | null;
  upload: Claim | null;
  /** Where its upload is to put it, and may have. */
  places: string[];
  deletions: Deletion[];
  seen: number[];
};

export type Relay = {
  n: number;
  isFrozen: boolean;
  isGone: boolean;
  /** Whole files, by their medium. */
  spool: Map<number, string>;
  download: { medium: number; token: string; until: number; found: string | null; isOver: boolean } | null;
  upload: {
    job: number;
    token: string;
    until: number;
    medium: number;
    sha: string;
    key: string | null;
    /** How many keys hold another file. */
    tried: number;
    /** What it has begun at the bucket. */
    id: number | null;
    is: "claimed" | "begun" | "answered" | "mirrored" | "lost";
  } | null;
  deletion: { id: number; token: string; until: number } | null;
};

/**
 * The way of one film through two relays: claim, download, spool, upload in parts, settlement, deletion; with relays that sleep,
 * restart and are lost, a link that dies, and a database that is lost for an older one.
 */
export class Transfer {
  readonly bucket = new Bucket();
  readonly relays: Relay[];
  db: Database;
  now = 0;
  isLinkDead = false;
  /** Its deadline has passed: then it is known. */
  isOverdue = false;
  isDeleted = false;
  readonly #mistake: Mistake | null;
  #replica: Database;
  #epoch = { number: 0, at: -DAY };
  #failovers = 0;
  #isEventLost = false;
  #next = 1;

  constructor(mistake: Mistake | null = null) {
    this.#mistake = mistake;
    const row = this.#newRow();
    this.db = { row, upload: null, places: [], deletions: [], seen: [0, 0] };
    this.#replica = structuredClone(this.db);
    this.relays = [0, 1].map((n) => ({
      ...{ n, isFrozen: false, isGone: false, spool: new Map() },
      ...{ download: null, upload: null, deletion: null },
    }));
  }

  apply(command: Command): void {
    if ("relay" in command) this.#ofRelay(command, this.relays[command.relay]!);
    else this.#ofAll(command);
    judge(this);
  }

  #ofAll(command: Exclude<Command, { relay: number }>): void {
    switch (command.do) {
      case "pass":
        return this.#pass(command.seconds);
      case "link dies":
        this.isLinkDead = true;
        this.isOverdue ||= !command.early;
        return;
      case "arrive":
        return this.#arrive(command.pick);
      case "replicate":
        this.#replica = structuredClone(this.db);
        return;
      case "failover":
        return this.#failover();
      case "lose event":
        return this.#loseEvent();
      case "store again":
        return this.#storeAgain();
      case "remove":
        return this.#remove();
    }
  }

  #ofRelay(command: Extract<Command, { relay: number }>, relay: Relay): void {
    if (command.do === "thaw" && relay.isFrozen && !relay.isGone) return this.#thaw(relay);
    if (relay.isFrozen) return;
    switch (command.do) {
      case "claim download":
        return this.#claimDownload(relay);
      case "fetch":
        return this.#fetch(relay, command.isSame);
      case "settle download":
        return this.#settleDownload(relay);
      case "claim upload":
        return this.#claimUpload(relay);
      case "begin":
        return this.#begin(relay);
      case "complete":
        return this.#complete(relay);
      case "settle upload":
        return this.#settleUpload(relay);
      case "delete":
        return this.#delete(relay);
      case "settle deletion":
        return this.#settleDeletion(relay);
      case "take over":
        return this.#takeOver(relay);
      case "sweep":
        return this.#sweep(relay);
      case "restart":
        return this.#restart(relay);
      case "freeze":
        relay.isFrozen = true;
        return;
      case "is lost":
        // One is left, and a row waits for what the other had.
        if (this.relays.some(({ isGone }) => isGone)) return;
        Object.assign(relay, { isFrozen: true, isGone: true });
        relay.spool.clear();
    }
  }

  #is(mistake: Mistake): boolean {
    return this.#mistake === mistake;
  }

  #newRow(): Row {
    const medium = this.#next++;
    return { medium, state: "pending", node: -1, claims: 0, until: 0, sha: null, key: null };
  }

  // Time, and the end of leases.

  #pass(seconds: number): void {
    this.now += seconds;
    for (const relay of this.relays) if (!relay.isFrozen) this.#lives(relay);
  }

  #thaw(relay: Relay): void {
    relay.isFrozen = false;
    this.#lives(relay);
  }

  /** It is seen, and what has no lease any longer is stopped, but for an upload whose end is known. */
  #lives(relay: Relay): void {
    this.db.seen[relay.n] = this.now;
    const { download, upload, deletion } = relay;
    if (deletion !== null && this.now >= deletion.until) relay.deletion = null;
    if (download !== null && this.now >= download.until) {
      relay.download = null;
      this.#clearUnwanted(relay, download.medium);
    }
    if (upload === null || this.now < upload.until || upload.is === "mirrored") return;
    this.bucket.giveUp(upload.id);
    relay.upload = null;
  }

  /** Whether a claim's job is still its own. */
  #holds(claim: Claim | Row | null, token: string): boolean {
    if (claim === null || token !== this.#token(claim.claims)) return false;
    // A download is settled as long as nothing else has claimed it: no other relay touches its file.
    if (!("isRunning" in claim)) return claim.state === "running";
    return claim.isRunning && (this.now < claim.until || this.#is("a claim outlives its lease"));
  }

  #isOwn({ job, token }: NonNullable<Relay["upload"]>): boolean {
    return this.db.upload?.id === job && this.#holds(this.db.upload, token);
  }

  #token = (claims: number) => `${claims}_${this.#epoch.number}`;

  #claim(claim: Claim | Row, { n }: Relay): { token: string; until: number } {
    Object.assign(claim, { node: n, claims: claim.claims + 1, until: this.now + LEASE });
    if ("isRunning" in claim) claim.isRunning = true;
    return { token: this.#token(claim.claims), until: claim.until };
  }

  // Downloads.

  #claimDownload(relay: Relay): void {
    const { row } = this.db;
    if (relay.download !== null || row === null) return;
    if (row.state !== "pending" && !(row.state === "running" && row.until <= this.now)) return;
    const claim = this.#claim(row, relay);
    row.state = "running";
    relay.download = { medium: row.medium, ...claim, found: null, isOver: false };
  }

  /** What lies in the spool is not asked for again. A link may give other bytes each time. */
  #fetch(relay: Relay, isSame: boolean): void {
    const { download, spool } = relay;
    if (download === null || download.isOver) return;
    download.isOver = true;
    const there = this.#is("a whole file is asked for again") ? undefined : spool.get(download.medium);
    if (there === undefined && this.isLinkDead) return;
    download.found = there ?? (isSame ? "same" : `sha${this.#next++}`);
    spool.set(download.medium, download.found);
  }

  #settleDownload(relay: Relay): void {
    const { download } = relay;
    const { row } = this.db;
    if (download === null || !download.isOver) return;
    relay.download = null;
    if (row?.medium !== download.medium || !this.#holds(row, download.token))
      return this.#clearUnwanted(relay, download.medium);
    if (download.found === null) {
      row.state = "failed";
      return this.#throwAway(relay, row.medium);
    }
    Object.assign(row, { state: "spooled", sha: download.found });
    this.db.upload = { id: this.#next++, node: relay.n, claims: 0, until: 0, isRunning: false };
  }

  /** Downloads it from the first attempt on. */
  #downloadAgain(row: Row): void {
    this.#dropSpooled(row);
    Object.assign(row, { state: "pending", sha: null, until: 0 });
  }

  // Uploads.

  #claimUpload(relay: Relay): void {
    const { row, upload } = this.db;
    if (relay.upload !== null || row === null || upload === null || upload.node !== relay.n) return;
    if ((upload.isRunning && this.now < upload.until) || this.#runsElsewhere(relay)) return;
    const claim = this.#claim(upload, relay);
    relay.upload = {
      job: upload.id,
      medium: row.medium,
      sha: row.sha!,
      key: null,
      tried: 0,
      id: null,
      is: "claimed",
      ...claim,
    };
  }

  #runsElsewhere({ n }: Relay): boolean {
    if (this.#is("copies of a video are worked on side by side")) return false;
    const { upload, deletions } = this.db;
    const all = upload === null ? deletions : [upload, ...deletions];
    return all.some(({ isRunning, until, node }) => isRunning && this.now < until && node !== n);
  }

  /** Tries the next of the keys that it may have: it must be free, or have the same file. It is written down before that. */
  #begin(relay: Relay): void {
    const { upload, spool } = relay;
    if (upload?.is !== "claimed" || relay.deletion !== null) return;
    if (!this.#isOwn(upload)) {
      relay.upload = null;
      return;
    }
    const keys = ["v/video", `v/video.${upload.sha}`];
    if (spool.get(upload.medium) !== upload.sha) {
      const key = keys.find((one) => this.bucket.objects.get(one) === upload.sha);
      if (key === undefined) spool.delete(upload.medium);
      Object.assign(upload, key === undefined ? { is: "lost" } : { is: "mirrored", key });
      return;
    }
    const key = keys[upload.tried]!;
    if (upload.tried > 0) this.db.places = this.db.places.filter((other) => other !== keys[0]);
    if (!this.#is("where a file is put is not written down")) this.db.places.push(key);
    if (!this.#is("an upload ends nothing that hangs at its key")) this.bucket.abortAll(key);
    const held = this.#is("an upload does not look at its key") ? undefined : this.bucket.objects.get(key);
    upload.key = key;
    if (held === upload.sha) upload.is = "mirrored";
    else if (held === undefined) Object.assign(upload, { is: "begun", id: this.bucket.begin(key, upload.sha) });
    else upload.tried++;
  }

  #complete({ upload }: Relay): void {
    if (upload?.is === "begun") this.bucket.send(upload.id!);
  }

  /** The call that completes an upload reaches the bucket, at any time after it was sent. */
  #arrive(pick: number): void {
    const sent = this.bucket.sent();
    const one = sent[pick % Math.max(1, sent.length)];
    if (one === undefined) return;
    this.bucket.complete(one);
    const relay = this.relays.find((each) => each.upload?.id === one.id);
    if (relay) relay.upload!.is = relay.isFrozen ? "answered" : "mirrored";
  }

  #settleUpload(relay: Relay): void {
    const { upload, spool } = relay;
    const { row } = this.db;
    if (upload === null || upload.is === "claimed") return;
    if (upload.is === "begun") {
      // Another one has ended it.
      if (this.bucket.has(upload.id!)) return;
      relay.upload = null;
      if (this.#isOwn(upload)) Object.assign(this.db.upload!, { isRunning: false });
      return;
    }
    relay.upload = null;
    if (upload.is === "answered" && this.bucket.objects.get(upload.key!) !== upload.sha) return;
    if (row?.medium !== upload.medium || !this.#isOwn(upload)) return;
    const { places } = this.db;
    this.db.upload = null;
    this.db.places = [];
    for (const key of places)
      if (upload.is === "lost" || key !== upload.key) this.#addDeletion(row, { key, sha: row.sha });
    if (upload.is === "lost") return this.#downloadAgain(row);
    Object.assign(row, { state: "mirrored", key: upload.key });
    this.bucket.tell(upload.key!, upload.sha);
    spool.delete(row.medium);
  }

  // Deletions.

  #addDeletion({ medium }: Row, copy: Deletion["copy"]): void {
    const claim = { node: -1, claims: 0, until: 0, isRunning: false };
    this.db.deletions.push({ id: this.#next++, medium, copy, ...claim });
  }

  /** Its upload ends. What was put, or may have been, goes, and so does what a spool has of it. */
  #dropSpooled(row: Row): void {
    if (this.db.upload === null) return;
    this.db.upload = null;
    const { places } = this.db;
    this.db.places = [];
    if (places.length === 0) this.#addDeletion(row, null);
    for (const key of places) this.#addDeletion(row, { key, sha: row.sha });
  }

  /** A relay puts what it does on copies of one video in order by itself. */
  #delete(relay: Relay): void {
    if (relay.deletion !== null || (relay.upload !== null && relay.upload.is !== "claimed")) return;
    const due = this.db.deletions.find(({ isRunning, until }) => !isRunning || until <= this.now);
    if (due === undefined || this.#runsElsewhere(relay)) return;
    relay.deletion = { id: due.id, ...this.#claim(due, relay) };
    this.#clearUnwanted(relay, due.medium);
    const { row } = this.db;
    if (due.copy === null) return;
    const { key, sha } = due.copy;
    const isWanted = row?.state === "mirrored" && row.key === key;
    if (isWanted && !this.#is("a copy is deleted although a row has it")) return;
    const held = this.bucket.objects.get(key);
    const isOther = sha !== null && held !== undefined && held !== sha;
    if (isOther && !this.#is("a deletion takes whatever its key holds")) return;
    if (!this.#is("a deletion ends nothing that hangs at its key")) this.bucket.abortAll(key);
    this.bucket.remove(key, { sha, isDeleted: this.isDeleted });
  }

  #settleDeletion(relay: Relay): void {
    const { deletion } = relay;
    if (deletion === null) return;
    relay.deletion = null;
    const row = this.db.deletions.find(({ id }) => id === deletion.id) ?? null;
    if (this.#holds(row, deletion.token)) this.db.deletions = this.db.deletions.filter((one) => one !== row);
  }

  /** By an operator, or because its video was deleted long ago: nothing of it is lost with a server any more. */
  #remove(): void {
    const { row } = this.db;
    if (row === null || row.state === "deleted") return;
    const { state, key } = row;
    this.#dropSpooled(row);
    if (state === "pending" || state === "running") this.#addDeletion(row, null);
    if (key !== null) this.#addDeletion(row, { key, sha: null });
    Object.assign(row, { state: "deleted", key: null, sha: null });
    this.isDeleted = true;
    this.#replica = structuredClone(this.db);
  }

  // Spools.

  /** After a silence. What a dead link cannot give again is waited for. */
  #takeOver({ n }: Relay): void {
    const { row, upload, seen } = this.db;
    if (row === null || upload === null || upload.node === n || this.now < this.#epoch.at + GONE_AFTER) return;
    if (this.#is("what a relay has that is gone is waited for")) return;
    if (this.now - seen[upload.node]! <= (this.isOverdue ? DAY : GONE_AFTER)) return;
    this.#downloadAgain(row);
  }

  /** A film that came to nothing, and whose file is here, is downloaded again: that takes the file. */
  #revive({ spool }: Relay): void {
    const { row } = this.db;
    if (this.#is("a spool takes up nothing before it is swept")) return;
    if (row?.state === "failed" && spool.has(row.medium)) this.#downloadAgain(row);
  }

  #isWanted(medium: number): boolean {
    const { row } = this.db;
    return row?.medium === medium && ["pending", "running", "spooled"].includes(row.state);
  }

  #clearUnwanted(relay: Relay, medium: number): void {
    if (!this.#is("a file of a film that failed elsewhere is swept")) this.#revive(relay);
    if (!this.#isWanted(medium)) this.#throwAway(relay, medium);
  }

  #throwAway(relay: Relay, medium: number): void {
    const sha = relay.spool.get(medium);
    if (sha === undefined) return;
    relay.spool.delete(medium);
    kept(this, medium);
  }

  #sweep(relay: Relay): void {
    this.#revive(relay);
    for (const medium of relay.spool.keys()) if (!this.#isWanted(medium)) this.#throwAway(relay, medium);
  }

  #restart(relay: Relay): void {
    const { row, upload, deletions } = this.db;
    Object.assign(relay, { download: null, upload: null, deletion: null });
    for (const claim of upload === null ? deletions : [upload, ...deletions])
      if (claim.node === relay.n) Object.assign(claim, { isRunning: false, until: this.now });
    if (row?.state === "running" && row.node === relay.n) Object.assign(row, { state: "pending" });
    this.#sweep(relay);
  }

  // What a server loses.

  #failover(): void {
    if (this.#failovers++ > 1 || this.isDeleted) return;
    this.db = structuredClone(this.#replica);
    this.#beginEpoch();
  }

  /** The event itself was not replicated. */
  #loseEvent(): void {
    if (this.#isEventLost || this.isDeleted) return;
    this.#isEventLost = true;
    this.db = { ...this.db, row: null, upload: null, places: [], deletions: [] };
    this.#replica = structuredClone(this.db);
    this.#beginEpoch();
  }

  /** By the ring of the relay that had acknowledged it: what it announces is a new row. */
  #storeAgain(): void {
    if (this.db.row !== null) return;
    this.db.row = this.#newRow();
  }

  /** What was put and is not written down any more is left where it is. */
  #beginEpoch(): void {
    this.#epoch = { number: this.#epoch.number + 1, at: this.now };
    this.bucket.forget();
  }

  /** All wake that can, the calls arrive, and the workers go on. */
  end(): void {
    this.#storeAgain();
    const alive = this.relays.filter(({ isGone }) => !isGone);
    for (const relay of alive) if (relay.isFrozen) this.#thaw(relay);
    for (let round = 0; round < 12; round++) {
      this.#pass(round === 8 ? DAY + 1 : GONE_AFTER + 1);
      for (const { n } of alive.concat(alive)) {
        const turn = [
          "sweep",
          "take over",
          "claim download",
          "fetch",
          "settle download",
          "claim upload",
          "begin",
          "begin",
        ] as const;
        for (const one of turn)
          this.apply(one === "fetch" ? { do: one, relay: n, isSame: true } : { do: one, relay: n });
        this.apply({ do: "complete", relay: n });
        while (this.bucket.sent().length > 0) this.apply({ do: "arrive", pick: 0 });
        this.apply({ do: "settle upload", relay: n });
        for (let left = this.db.deletions.length; left > 0; left--) {
          this.apply({ do: "delete", relay: n });
          this.apply({ do: "settle deletion", relay: n });
        }
      }
    }
    judgeEnd(this);
  }
}
