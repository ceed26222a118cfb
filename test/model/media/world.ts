import { fail } from "../broken.ts";
import type { Command, Posted } from "./commands.ts";
import {
  type Copy,
  DELETE_AFTER,
  type DownloadOutcome,
  deadlineOf,
  HOUR,
  KINDS,
  type Kind,
  type Link,
  type Links,
  MINUTE,
  type MovedCopy,
  OPTIONS,
  type Options,
  type Place,
  type Post,
  SECOND,
} from "./model.ts";
import type { Download, MediaSystem, Removal, SeenMedium, Upload, UploadNow, View } from "./systems.ts";

type Stored = { sha: string; bytes: number };
type Announced = Link & {
  v: string;
  type: string;
  sequence: number;
  at: number;
  receivedAt: number;
  isLate: boolean;
  failure: boolean;
  deadline: number;
  isDuplicate: boolean;
  /** Its event deletes: nothing of it is fetched. */
  deletes: boolean;
};
/** A copy that was put in another place; uploads and deletions of its video wait until its row has turned. */
type Move = { at: number; v: string; kind: Kind; from: MovedCopy; to: Place };
type Deleted = { v: string; type: string; sequence: number; receivedAt: number; deletes: boolean };

/**
 * A system and the world around it: hosts, the disk, two targets, the spool, a process that dies, a config that changes. It
 * remembers what the outside saw, and judges by that alone whether the promises of media are kept: after each command, and,
 * in `drain`, of what comes once the world is well again.
 */
export class World {
  readonly system: MediaSystem;
  readonly told: Record<string, { v: string; kind: Kind }> = {};
  readonly forgotten = new Set<string>();
  private config: Options = { ...OPTIONS };
  private readonly hosts: Record<string, "ok" | "missing" | "refused"> = {};
  private readonly versions: Record<string, number> = {};
  private readonly targets: Record<string, Record<string, Stored>> = { t1: {}, t2: {} };
  private readonly isDown: Record<string, boolean> = {};
  private readonly rotten = new Set<string>();
  private readonly spool = new Map<number, Stored>();
  private readonly isJudged: boolean;
  private isFull = false;

  private signatures = 0;
  private posts: Posted[] = [];
  private readonly kept: Post[] = [];
  private announced: Announced[] = [];
  private deletes: Deleted[] = [];
  private readonly refusedAt: Record<string, number> = {};
  private readonly mended = new Set<number>();
  private readonly risks = new Set<string>();
  /** Copies that a deletion was claimed of while the policy was "delete". */
  private readonly decided = new Set<string>();
  private downloads: Download[] = [];
  private uploads: Upload[] = [];
  private moves: Move[] = [];
  /** Where moves have left copies, each with its medium. */
  private readonly left = new Map<string, number>();
  private readonly last = new Map<string, Partial<Record<Kind, string>>>();
  private toldPending: { v: string; id: string; kind: Kind }[] = [];

  /** `isJudged`: false where it is compared with one that is. */
  constructor(system: MediaSystem, { isJudged = true } = {}) {
    this.system = system;
    this.isJudged = isJudged;
  }

  /** False: there was nothing for it to do. */
  async apply(command: Command): Promise<boolean> {
    const isDone = await this.run(command);
    if (isDone && this.isJudged) this.judge(await this.system.view());
    return isDone;
  }

  /** What lies in the targets. */
  get copies(): string[] {
    return Object.entries(this.targets)
      .flatMap(([target, objects]) => Object.entries(objects).map(([key, { sha }]) => `${target} ${key} ${sha}`))
      .sort();
  }

  private async run(command: Command): Promise<boolean> {
    const { system } = this;
    switch (command.do) {
      case "post":
        return this.post(command);
      case "again": {
        const { pick, life } = command;
        const post = this.posts.at(-1 - (pick % Math.max(1, Math.min(3, this.posts.length))));
        return post === undefined ? false : this.post({ ...post, life, late: 0 });
      }
      case "refuse":
        this.kept.push(this.posted(command));
        await system.refuse(this.kept.at(-1)!);
        return true;
      case "reprocess": {
        const index = this.kept.length - 1 - (command.pick % Math.max(1, this.kept.length));
        const is = index < 0 ? null : await system.reprocess(index);
        if (is !== null) await this.remember({ ...this.kept[index]!, isLate: true }, is);
        return is !== null;
      }
      case "import":
        await system.import(command.v, command.context);
        return true;
      case "pass":
        system.pass(system.now() + command.ms);
        return true;
      case "wake": {
        const at = await system.nextWake();
        if (at === null || at <= system.now()) return false;
        system.pass(at);
        return true;
      }
      case "host":
        this.hosts[command.name] = command.is;
        return true;
      case "edit":
        this.versions[command.name] = this.version(command.name) + 1;
        return true;
      case "disk":
        this.isFull = command.isFull;
        return true;
      case "down":
        this.isDown[command.target] = command.is;
        return true;
      case "claim": {
        if (this.isFull) return false;
        const jobs = await system.claimDownloads();
        this.downloads.push(...jobs);
        return jobs.length > 0;
      }
      case "settle":
        return this.settle(command.pick, command.isCut ?? false);
      case "claim uploads": {
        const jobs = await system.claimUploads();
        this.uploads.push(...jobs);
        return jobs.length > 0;
      }
      case "put":
        return this.put(command.pick, command.dies ?? false);
      case "mirror":
        return this.mirror();
      case "delete":
        for (const removal of await system.claimDeletions()) await this.remove(removal);
        return true;
      case "deliver":
        return this.deliver();
      case "risks":
        return this.raiseRisks();
      case "crash":
        await this.crash();
        return true;
      case "config":
        return this.reconfigure(command);
      case "retry":
        return this.onMedium(command.pick, ["pending", "failed", "expired", "skipped"], (at) => system.retry(at));
      case "mend":
        return this.onMedium(command.pick, ["mirrored"], async (at) => {
          const isMended = await system.mend(at);
          if (isMended) this.mended.add(at);
          return isMended;
        });
      case "rot":
        return this.rot(command.pick);
      case "forget":
        return this.forget(command.v);
      case "begin move":
        return this.beginMove(command.pick);
      case "end move":
        return this.endMove(command);
      case "end moves":
        this.moves = [];
        await system.endMoves();
        return true;
      case "drop former":
        this.left.clear();
        await system.dropFormer();
        return true;
    }
  }

  private async mirror(): Promise<boolean> {
    if (!this.isFull) this.downloads.push(...(await this.system.claimDownloads()));
    let isDone = false;
    while (this.downloads.length > 0) isDone = await this.settle(0, false);
    this.uploads.push(...(await this.system.claimUploads()));
    while (await this.put(0, false)) isDone = true;
    return isDone;
  }

  private version(name: string): number {
    return this.versions[name] ?? 0;
  }

  /** What a host has under this name now. Files of equal size are not equal. */
  private fileOf(name: string, kind: Kind) {
    const version = this.version(name);
    const ext = kind === "video" ? ".mp4" : name.endsWith("z") ? ".png" : ".jpg";
    return {
      sha: `${name}${version}`,
      bytes: 10 + "abxyz".indexOf(name.at(-1)!) + 10 * version + 100 * name.length,
      ext,
    };
  }

  private posted({ type, v, video, thumb, life = null, failure = false, late = 0, context, title }: Posted): Post {
    const now = this.system.now();
    const link = (kind: Kind, name: string): Link => {
      return { kind, name: `${v}${name}`, sig: ++this.signatures, expires: life === null ? null : now + life };
    };
    const links: Links = {
      ...(video !== undefined && { video: link("video", video) }),
      ...(thumb !== undefined && { thumbnail: link("thumbnail", thumb) }),
    };
    return { type, videoId: v, links, failure, context, title, receivedAt: now - late, isLate: late > 0 };
  }

  private async post(post: Posted): Promise<boolean> {
    this.posts.push(post);
    const posted = this.posted(post);
    await this.remember(posted, await this.system.accept(posted));
    return true;
  }

  /** What was said to have come, and whether it was a duplicate. */
  private async remember({ type, videoId: v, links, failure, receivedAt, isLate }: Post, is: string): Promise<void> {
    const isDuplicate = is === "duplicate";
    const { events } = await this.system.view();
    const mine = events.filter(({ videoId }) => videoId === v);
    const sequence = Math.max(0, ...mine.map(({ sequence }) => sequence));
    const deletes = type.endsWith(".delete") && !failure && this.config.onDelete === "delete";
    const common = { v, type, sequence, receivedAt, deletes };
    for (const kind of KINDS) {
      const one = links[kind];
      if (!one) continue;
      // A repetition of what was erased brings nothing back.
      if (isDuplicate && !this.announced.some((known) => known.v === v && known.name === one.name)) continue;
      const deadline = deadlineOf(one, receivedAt);
      this.announced.push({ ...one, ...common, at: this.system.now(), isLate, failure, deadline, isDuplicate });
    }
    if (type.endsWith(".delete") && !failure && !isDuplicate) this.deletes.push(common);
  }

  private async settle(pick: number, isCut: boolean): Promise<boolean> {
    if (this.downloads.length === 0) return false;
    const [download] = this.downloads.splice(pick % this.downloads.length, 1) as [Download];
    const { at, name } = download;
    const row = (await this.system.view()).media[at]!;
    const file = this.fileOf(name, row.kind);
    const outcome = this.outcomeOf(download, file, isCut);
    if (outcome.is === "spooled") this.spool.set(at, file);
    const isSettled = await this.system.settleDownload(download, outcome);
    const there = row.copy && this.targets[row.copy.target]![row.copy.key];
    const isTwice = row.kind === "video" && there?.sha === file.sha && !this.mended.has(at);
    if (isSettled && outcome.is === "spooled" && isTwice) fail("nothing is downloaded twice", `medium ${at} is`);
    if (isSettled && outcome.is === "failed") this.refusedAt[name] = this.system.now();
    const isOver = isSettled ? outcome.is === "failed" || outcome.is === "expired" : true;
    if (isOver && !(await this.system.isSpooled(at))) this.spool.delete(at);
    return true;
  }

  private outcomeOf(
    { name, deadline, previous }: Download,
    file: ReturnType<World["fileOf"]>,
    isCut: boolean,
  ): DownloadOutcome {
    const now = this.system.now();
    const host = this.hosts[name] ?? "ok";
    const again = { is: "retry", at: now + MINUTE } as const;
    if (this.isFull) return { ...again, error: "disk full", own: true };
    if (host === "refused") return { is: "failed", error: "refused for good" };
    if (now >= deadline) return { is: "expired", error: "HTTP 403" };
    if (host === "missing") return { ...again, error: "HTTP 404" };
    if (isCut) return { ...again, error: "the connection was lost" };
    const held = previous && this.targets[previous.target]![previous.key];
    if (previous?.tag === file.sha && held?.bytes === file.bytes) return { is: "unchanged", copy: previous };
    return { is: "spooled", file };
  }

  /** Puts a file as the mirror does (src/mirror/upload/put-copy.ts); `dies`: the process does, after the put. */
  private async put(pick: number, dies: boolean): Promise<boolean> {
    const { system } = this;
    const { media } = await system.view();
    const free = this.uploads.filter(({ at }) => !this.moves.some(({ v, kind }) => isOf(media[at]!, v, kind)));
    const upload = free[pick % Math.max(1, free.length)];
    if (upload === undefined) return false;
    this.uploads.splice(this.uploads.indexOf(upload), 1);
    const { target } = this.config;
    const file = await system.uploadOf(upload);
    if (file === null) return true;
    if (this.isDown[target]) {
      await system.settleUpload(upload, { is: "retry", at: system.now() + 10 * SECOND, error: "down" });
      return true;
    }
    const objects = this.targets[target]!;
    const places = placesOf(file, target);
    if (this.spool.get(upload.at)?.sha !== file.sha) {
      const found = places.find(({ key }) => objects[key]?.sha === file.sha);
      const lost = { is: "lost", error: "its file is gone from the spool" } as const;
      await system.settleUpload(upload, found ? { is: "mirrored", target, key: found.key } : lost);
      return true;
    }
    for (const { key, replaces, isShared } of places) {
      if (isShared && file.isSecond && !objects[key]) continue;
      if (!(await system.place(upload, { target, key }))) return true;
      if (objects[key] && objects[key].sha !== file.sha && !replaces) continue;
      objects[key] = { sha: file.sha, bytes: file.bytes };
      this.rotten.delete(`${target} ${key}`);
      if (dies) await this.crash();
      else if (await system.settleUpload(upload, { is: "mirrored", target, key })) this.spool.delete(upload.at);
      return true;
    }
    return true;
  }

  private async remove(removal: Removal): Promise<void> {
    const { system } = this;
    const { at, copy } = removal;
    if (copy && this.config.onDelete === "delete") this.decided.add(`${copy.target} ${copy.key}`);
    if (!(await system.isSpooled(at))) this.spool.delete(at);
    if (copy === null || (await system.isWanted(copy))) return system.settleDeletion(removal, true);
    const waits = copy.target === this.config.target && this.moves.some(({ v }) => copy.key.startsWith(`${v}/`));
    if (this.isDown[copy.target] || waits) return system.settleDeletion(removal, false);
    const objects = this.targets[copy.target]!;
    const object = objects[copy.key];
    if (object && (copy.bytes === null || copy.bytes === object.bytes)) {
      this.judgeRemoval(copy, object, (await system.view()).media);
      delete objects[copy.key];
    }
    await system.settleDeletion(removal, true);
  }

  private async deliver(): Promise<boolean> {
    const { events } = await this.system.view();
    const sent = await this.system.deliver();
    for (const id of sent) {
      const { videoId: v, said } = events.find((event) => event.id === id)!;
      for (const [kind, { status, key }] of Object.entries(said) as [Kind, { status: string; key: string | null }][]) {
        if (status === "mirrored") this.told[key!] = { v, kind };
        if (status === "pending") this.toldPending.push({ v, id, kind });
        this.last.set(id, { ...this.last.get(id), [kind]: status });
      }
    }
    return sent.length > 0;
  }

  private async raiseRisks(): Promise<boolean> {
    const risks = await this.system.raiseRisks();
    const { media } = await this.system.view();
    for (const { at, share } of risks) {
      const mark = `${at} ${media[at]!.deadline} ${share}`;
      if (this.risks.has(mark)) fail("a risk is told once", `medium ${at}, ${share}`);
      this.risks.add(mark);
      if (media[at]!.copy) fail("what has a copy is never at risk", `medium ${at} is`);
    }
    return risks.length > 0;
  }

  private async crash(): Promise<void> {
    await this.system.restart();
    await this.begin();
  }

  /** The mirror begins anew: what it worked on is free, and it looks at what the spool holds. */
  private async begin(): Promise<void> {
    this.downloads = [];
    this.uploads = [];
    this.moves = [];
    await this.system.freeLeases();
    for (const at of this.spool.keys()) await this.system.revive(at);
    for (const at of this.spool.keys()) if (!(await this.system.isSpooled(at))) this.spool.delete(at);
  }

  /** The config as it is from now on; that is a new start of the mirror. */
  private async reconfigure({ do: _, ...change }: { do: string } & Partial<Options>): Promise<boolean> {
    const names = Object.keys(change) as (keyof Options)[];
    if (names.every((name) => this.config[name] === change[name])) return false;
    await this.begin();
    this.config = { ...this.config, ...change };
    await this.system.configure(change);
    return true;
  }

  private async onMedium(pick: number, states: string[], work: (at: number) => Promise<boolean>): Promise<boolean> {
    const { media } = await this.system.view();
    const fit = [...media.keys()].filter((at) => states.includes(media[at]!.state));
    return fit.length === 0 ? false : work(fit[pick % fit.length]!);
  }

  /** A copy rots, or somebody removes it. */
  private async rot(pick: number): Promise<boolean> {
    const { media } = await this.system.view();
    const copies = media.flatMap(({ state, copy }) => (state === "mirrored" && copy ? copy : []));
    if (copies.length === 0) return false;
    const { target, key } = copies[pick % copies.length]!;
    this.rotten.add(`${target} ${key}`);
    delete this.targets[target]![key];
    return true;
  }

  private async forget(v: string): Promise<boolean> {
    if (!(await this.system.forget(v))) return false;
    this.announced = this.announced.filter((one) => one.v !== v);
    this.deletes = this.deletes.filter((one) => one.v !== v);
    this.toldPending = this.toldPending.filter((one) => one.v !== v);
    this.posts = [];
    this.forgotten.add(v);
    for (const [key, told] of Object.entries(this.told)) if (told.v === v) delete this.told[key];
    for (const id of this.last.keys()) if (id.startsWith(`${v}#`)) this.last.delete(id);
    return true;
  }

  /** Puts a copy where it is to be, as the mirror does (src/mirror/move/). */
  private async beginMove(pick: number): Promise<boolean> {
    const { system } = this;
    const { target } = this.config;
    const { media } = await system.view();
    const isThere = (place: Place, sha: string) => this.targets[place.target]![place.key]?.sha === sha;
    const fit = [...media.entries()].filter(([, { copy, state, videoId, kind }]) => {
      const isElsewhere = copy !== null && state !== "superseded" && copy.target !== target;
      const isBegun = this.moves.some(({ v, kind: of }) => v === videoId && of === kind);
      return isElsewhere && !isBegun && isThere(copy, copy.sha) && !this.isDown[copy.target] && !this.isDown[target];
    });
    if (fit.length === 0) return false;
    const [at, { videoId: v, kind, copy }] = fit[pick % fit.length]!;
    const { bytes } = this.targets[copy!.target]![copy!.key]!;
    const from = { ...copy!, bytes };
    const objects = this.targets[target]!;
    const passed: string[] = [];
    for (const key of keysFor(from)) {
      if ((await system.placeMove(at, from, { target, key }, passed)) !== "placed") return false;
      if (objects[key] && objects[key].sha !== from.sha) passed.push(key);
      else {
        objects[key] = { sha: from.sha, bytes };
        this.rotten.delete(`${target} ${key}`);
        this.moves.push({ at, v, kind, from, to: { target, key } });
        return true;
      }
    }
    return false;
  }

  private async endMove({ pick, deletes, dies = false }: { pick: number; deletes: boolean; dies?: boolean }) {
    if (this.moves.length === 0) return false;
    const [{ at, from, to }] = this.moves.splice(pick % this.moves.length, 1) as [Move];
    if (dies) {
      await this.crash();
      return true;
    }
    const is = await this.system.settleMove(at, from, to, deletes);
    if (is === "moved" && !deletes) this.left.set(`${from.target} ${from.key}`, at);
    return is === "moved";
  }

  // Promises after every command

  private judge({ media }: View): void {
    const places = new Map<string, SeenMedium>();
    for (const [at, row] of media.entries()) {
      const { copy, state, kind, videoId, name } = row;
      if (["failed", "expired", "skipped", "deleted"].includes(state) && !row.reason) {
        fail("what comes to nothing says why", `medium ${at} is ${state}`);
      }
      if (!copy || state === "superseded") continue;
      const place = `${copy.target} ${copy.key}`;
      const there = this.targets[copy.target]![copy.key];
      if (kind === "video" && there?.sha !== copy.sha && !this.rotten.has(place)) {
        fail("no video is overwritten", `${place}: ${copy.sha} is ${there?.sha ?? "gone"}`);
      }
      const other = places.get(place);
      const isMoving = media.some(
        (one) => one.videoId === videoId && one.kind === "thumbnail" && ["pending", "running"].includes(one.state),
      );
      if (other && other.copy!.sha !== copy.sha && !(kind === "thumbnail" && isMoving)) {
        fail("no two files are in one place", `${place}: ${other.copy!.sha} and ${copy.sha}`);
      }
      places.set(place, row);
      if (state === "mirrored" && name !== "" && nameOf(copy) !== name) {
        fail("a copy is its link's", `medium ${at} is ${name}, its copy ${copy.sha}`);
      }
    }
    const running = media.filter(({ kind, state }) => kind === "thumbnail" && state === "running");
    if (new Set(running.map(({ videoId }) => videoId)).size !== running.length) {
      fail("a video's thumbnails are downloaded one at a time", `${running.length} are`);
    }
    for (const { videoId: v, kind, state, reason, name } of media) {
      if (kind !== "thumbnail" || state !== "deleted" || reason !== "deleted after the video was") continue;
      const ready = this.announced.filter((a) => a.v === v && !a.type.startsWith("draft.") && !a.failure && !a.isLate);
      const since = Math.min(...ready.map(({ sequence }) => sequence));
      const mine = this.deletes.filter((one) => one.v === v);
      const isDraft = mine.every(({ type, sequence }) => type === "draft.delete" && sequence > since);
      if (mine.length > 0 && isDraft)
        fail("draft.delete takes no thumbnail of a video that is ready", `${name} is gone`);
    }
  }

  /** A video's copy goes by a policy, by forget, or where the same file is elsewhere, as it is by now. */
  private judgeRemoval({ target, key }: { target: string; key: string }, object: Stored, media: SeenMedium[]): void {
    const place = `${target} ${key}`;
    const v = key.split("/")[0]!;
    if (!key.includes("/video") || this.forgotten.has(v) || this.rotten.has(place)) return;
    const isElsewhere = media.some(
      ({ copy }) => copy && nameOf(copy) === nameOf(object) && (copy.target !== target || copy.key !== key),
    );
    if (isElsewhere) return;
    const name = nameOf(object);
    const mine = this.announced.filter((a) => a.v === v && a.name === name && !a.failure && !a.deletes);
    const isTakenBack = (one: Deleted) =>
      mine.some((a) => a.sequence > one.sequence && a.at < one.receivedAt + DELETE_AFTER);
    const meant = this.deletes.filter(
      (one) => one.v === v && one.type === "video.delete" && one.deletes && !isTakenBack(one),
    );
    const isLate = ({ sequence, receivedAt }: Deleted) =>
      mine.some((a) => a.sequence < sequence && a.receivedAt > receivedAt);
    const isTime = ({ receivedAt }: Deleted) => this.system.now() >= receivedAt + DELETE_AFTER;
    const by = meant.find((one) => isTime(one) && !isLate(one)) ?? meant[0];
    if (!by) fail("copies go by the policy", `${key} (${object.sha}) goes, and no video.delete came after it`);
    if (isLate(by)) {
      fail("a late deletion deletes nothing newer", `${key} goes by one that was received before it was announced`);
    }
    if (!isTime(by)) fail("copies go by the policy", `${key} goes before its time`);
    if (this.config.onDelete === "keep" && !this.decided.has(place)) fail("keep is keep", `${key} goes`);
  }

  // Promises of what comes once the world is well

  async drain(): Promise<void> {
    const start = this.system.now();
    for (const name of Object.keys(this.hosts)) delete this.hosts[name];
    for (const name of Object.keys(this.isDown)) delete this.isDown[name];
    this.isFull = false;
    await this.apply({ do: "config", mirror: true });
    await this.apply({ do: "end moves" });
    await this.work(start);
    const view = await this.system.view();
    this.judgeLosses(view, start);
    await this.judgeLinks();
    this.judgeTargets(view);
    this.judgeThumbnails(view, start);
    this.judgeTelling(view);
  }

  /** All that comes due within two hours, but for policies and risks, which are further away. */
  private async work(start: number): Promise<void> {
    for (let steps = 0; steps < 400; steps++) {
      let moves = false;
      for (const command of ["claim", "claim uploads", "deliver"] as const) {
        moves = (await this.apply({ do: command })) || moves;
      }
      while (this.downloads.length > 0) await this.apply({ do: "settle", pick: 0 });
      while (this.uploads.length > 0) await this.apply({ do: "put", pick: 0 });
      await this.apply({ do: "delete" });
      if (moves) continue;
      const at = await this.system.nextWake();
      if (at === null || at > start + 2 * HOUR) return;
      this.system.pass(Math.max(at, this.system.now() + SECOND));
    }
    fail("work comes to an end", "after 400 rounds there is more");
  }

  private judgeLosses({ media }: View, start: number): void {
    for (const a of this.announced) {
      const isDead = a.deadline <= start + HOUR;
      if (isDead || a.failure || a.deletes || a.kind !== "video" || this.wasRefused(a)) continue;
      const isDeleted = (one: Deleted) => one.v === a.v && one.deletes && one.sequence > a.sequence;
      const time = (one: Deleted) => one.receivedAt + DELETE_AFTER;
      if (this.deletes.some((one) => isDeleted(one) && one.type === "video.delete" && time(one) <= this.system.now())) {
        continue;
      }
      const mine = media.filter((row) => row.kind === "video" && row.videoId === a.v && row.name === a.name);
      if (mine.some(({ state, copy }) => state === "mirrored" && copy)) continue;
      fail("no film is lost", `${a.v}#${a.sequence}: ${a.name} is ${mine[0]?.state}`);
    }
  }

  private async judgeLinks(): Promise<void> {
    if (this.rotten.size > 0) return;
    for (const [key, { v }] of Object.entries(this.told)) {
      if (this.deletes.some((one) => one.v === v && one.deletes)) continue;
      const copy = await this.system.linked(key);
      const there = copy && this.targets[copy.target]![copy.key];
      if (!there) fail("no link that was sent is dead", `${key} answers 404`);
      if (there.sha !== copy.sha) fail("a link gives what its row says", `${key}: ${there.sha}, not ${copy.sha}`);
    }
  }

  private judgeTargets({ media }: View): void {
    const isKnown = (target: string, key: string) =>
      media.some(({ state, copy }) => state !== "superseded" && copy?.target === target && copy.key === key);
    // A move leaves a copy where it was, as long as its medium has one.
    const isLeft = (target: string, key: string) =>
      !["deleted", "superseded"].includes(media[this.left.get(`${target} ${key}`) ?? -1]?.state ?? "deleted");
    for (const [target, objects] of Object.entries(this.targets)) {
      for (const key of Object.keys(objects))
        if (!isKnown(target, key) && !isLeft(target, key)) fail("nothing is left behind", `${target} ${key}`);
    }
  }

  private judgeThumbnails({ media }: View, start: number): void {
    for (const v of new Set(this.announced.map((a) => a.v))) {
      const mine = this.announced.filter((a) => a.v === v && a.kind === "thumbnail" && !a.deletes && !a.isDuplicate);
      const newest = mine.reduce<Announced | null>((x, y) => (y.at >= (x?.at ?? 0) ? y : x), null);
      if (newest === null || newest.isLate || newest.failure || newest.deadline < start + HOUR) continue;
      if (this.wasRefused(newest) || this.deletes.some((one) => one.v === v && one.deletes)) continue;
      const shown = media
        .filter((row) => row.videoId === v && row.kind === "thumbnail" && row.state === "mirrored" && row.copy)
        .reduce<SeenMedium | null>((x, y) => (x === null || sequenceOf(y) >= sequenceOf(x) ? y : x), null);
      if (shown?.name !== newest.name) {
        fail("the newest thumbnail is shown", `${v} shows ${shown?.name}, the newest is ${newest.name}`);
      }
    }
  }

  private judgeTelling({ events, notices }: View): void {
    for (const { id, videoId, said } of events) {
      const hasMedia = Object.keys(said).length > 0 && !this.forgotten.has(videoId);
      if (hasMedia && !this.last.has(id)) fail("every gate opens", `${id} was never delivered`);
    }
    for (const { id, kind } of this.toldPending) {
      const mine = notices.filter((notice) => notice.endsWith(` ${id} ${kind}`));
      const isOpen = events.find((event) => event.id === id)?.said[kind]?.status === "pending";
      if (mine.length === 0 && !isOpen) fail("who was told pending is told the end", `${id}: ${kind}`);
      if (new Set(mine).size !== mine.length) fail("each end is told once", `${id}: ${mine}`);
    }
    if (this.mended.size > 0) return;
    for (const { id, said } of events) {
      for (const [kind, status] of Object.entries(this.last.get(id) ?? {})) {
        // A thumbnail may be another event's by now, which is told of it, or the copy that a failed refetch has left.
        if (kind === "thumbnail") continue;
        const told = notices.filter((notice) => notice.endsWith(` ${id} ${kind}`)).at(-1);
        const isMirrored = said[kind as Kind]?.status === "mirrored";
        if (isMirrored && status !== "mirrored" && !told?.startsWith("mirrored")) {
          fail("who was told of no copy is told of one after all", `${id}: ${kind} was last said to be ${status}`);
        }
      }
    }
  }

  private wasRefused({ name, at }: Announced): boolean {
    return (this.refusedAt[name] ?? Number.NEGATIVE_INFINITY) >= at;
  }
}

function placesOf(file: UploadNow, target: string): { key: string; replaces: boolean; isShared?: boolean }[] {
  const { videoId, kind, ext, sha, own } = file;
  const key = (variant = "") => `${videoId}/${kind}${variant}${ext}`;
  if (kind === "thumbnail") return [{ key: key(), replaces: true }];
  const isSame = own?.sha === sha;
  const keepsKey = own !== null && (own.target === target ? isSame : isSame || own.key.endsWith(ext));
  return [
    ...(keepsKey ? [{ key: own.key, replaces: own.target === target }] : []),
    { key: key(), replaces: false, isShared: true },
    { key: key(`.${sha}`), replaces: false },
    { key: key(`.${sha}-whole`), replaces: true },
  ];
}

/** Keys for a copy in another target, where nothing is overwritten. */
function keysFor({ key, sha }: Copy): string[] {
  const dot = key.lastIndexOf(".");
  return [key, `${key.slice(0, dot)}.${sha}${key.slice(dot)}`, `${key.slice(0, dot)}.${sha}-whole${key.slice(dot)}`];
}

const isOf = ({ videoId, kind }: Pick<SeenMedium, "videoId" | "kind">, v: string, of: Kind) =>
  videoId === v && kind === of;

/** The name of the file that a copy is of. */
function nameOf({ sha }: Pick<Copy, "sha">): string {
  return sha.replace(/\d+$/, "");
}

function sequenceOf({ event }: SeenMedium): number {
  return Number(event.split("#")[1]);
}
