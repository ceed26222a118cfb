import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Medium } from "../../../src/model/medium.ts";
import type { S3Target } from "../../../src/targets/s3/options.ts";
import { deadlineOf } from "../../../src/wochit/link-expiry.ts";
import { sha256Of } from "../../support/bytes.ts";
import { Broken, fail } from "../broken.ts";
import { type Body, filesOf, type OpenBody, StillBorn } from "./bodies.ts";
import { type Command, DAY, HOUR, type Posted, SECOND } from "./commands.ts";
import { fileOf } from "./files.ts";
import type { Host } from "./host.ts";
import { type Copy, DELETE_AFTER, Killed, type Life, nameIn, type Settings } from "./life.ts";

const START = Date.UTC(2026, 0, 1);

/** What runs is waited for at most so long, in real milliseconds: what hangs for ever is a fault. */
const PATIENCE = 20_000;

/** What is due one after the other at one instant. */
const MOST_ROUNDS = 100;

type Announced = {
  kind: "video" | "thumbnail";
  v: string;
  name: string;
  /** Which version of it the host had then. */
  version: number;
  /** Place among all that was posted. */
  nth: number;
  deadline: number;
  isLate: boolean;
  isDuplicate: boolean;
};
type Deleted = { v: string; type: string; nth: number; receivedAt: number };

/** What surrounds a world: how a process is made, and the bucket, if there is one. */
export type Surroundings = { folder: string; openBody: OpenBody; bucket: S3Target | null; objects(): string[] };

/**
 * The pipeline, and the world around it: a media host, folders that go away, a config that changes, a process that dies. It
 * remembers what the outside saw, and judges by that alone what became of films, pictures and links.
 */
export class World {
  kills = 0;
  private now = START;
  private host!: Host;
  private body!: Body;
  private settings: Settings;
  private readonly around: Surroundings;
  private pieces: number | null = null;

  private nth = 0;
  private posts: Posted[] = [];
  private announced: Announced[] = [];
  private deletes: Deleted[] = [];
  private readonly told = new Map<string, { v: string; kind: string; names: Set<string> }>();

  constructor(around: Surroundings, settings: Settings) {
    this.around = around;
    this.settings = settings;
  }

  /** For `openHost`: what time it is, and a piece that the host is about to send. */
  readonly clock = () => this.now;
  readonly onPiece = () => {
    if (this.pieces === null || this.pieces-- > 0) return;
    this.pieces = null;
    this.body.kill();
  };

  async begin(host: Host): Promise<void> {
    this.host = host;
    await this.open();
  }

  async apply(command: Command): Promise<void> {
    await this.survive(() => this.run(command));
    // What was under way had a moment to go on.
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    if (this.body.isDead()) await this.revive();
    else await this.survive(() => this.judgeFilms());
  }

  /** Whatever dies under way is done again by the next life. */
  private async survive(work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!this.body.isDead() || error instanceof Broken) throw error;
        await this.revive();
      }
    }
  }

  private async revive(): Promise<void> {
    this.kills++;
    this.pieces = null;
    await this.body.bury();
    await this.open();
    await this.survive(() => this.life.reprocess());
  }

  private get life(): Life {
    return this.body.life;
  }

  private async open(diesAfter?: number): Promise<void> {
    // A folder that is not there at a start would be made.
    if (this.settings.target !== "bucket") this.bringBack(this.settings.target);
    const { folder, openBody, bucket } = this.around;
    const options = { settings: this.settings, now: this.now, bucket };
    try {
      this.body = await openBody(folder, diesAfter === undefined ? options : { ...options, diesAfter });
    } catch (error) {
      if (!(error instanceof StillBorn)) throw error;
      this.kills++;
      await error.body.bury();
      return this.open();
    }
  }

  private async run(command: Command): Promise<void> {
    const { life } = this;
    switch (command.do) {
      case "post":
        return this.post(command);
      case "again": {
        const post = this.posts.at(-1 - (command.pick % Math.max(1, Math.min(3, this.posts.length))));
        return post && this.post({ ...post, life: command.life, late: 0, edit: false });
      }
      case "host":
        return this.host.set(command.name, command);
      case "edit":
        return this.host.edit(command.name);
      case "resume":
        this.host.resume();
        return this.rest();
      case "work":
        await life.work(command.queue, command.limit);
        return command.waits ? this.rest() : undefined;
      case "live":
        return this.live(this.now + command.ms);
      case "pass":
        return this.pass(this.now + command.ms, command.renews);
      case "deliver":
        return this.deliver();
      case "away":
        return command.is ? this.takeAway(command.target) : this.bringBack(command.target);
      case "config":
        return this.configure(command);
      case "kill":
        if (command.at === "piece") this.pieces = command.after;
        else await life.arm(command.at, command.after);
        return;
      case "retry": {
        const fit = (await life.media()).filter(({ state }) =>
          ["pending", "failed", "expired", "skipped"].includes(state),
        );
        const one = fit[command.pick % Math.max(1, fit.length)];
        return one && life.retry(one.id);
      }
      case "forget":
        return this.forget(command.v);
      case "move":
        // What is deleted in a bucket goes hours later.
        await life.move(command.deletes && this.around.bucket === null);
        await sleep(command.for);
        if (this.body.isDead()) throw new Killed("while it moves");
        return;
      case "end move":
        return life.endMove();
    }
  }

  private async post(post: Posted): Promise<void> {
    const { type, v, video, thumb, edit = false, life, late = 0 } = post;
    this.posts.push(post);
    const receivedAt = this.now - late;
    if (thumb !== undefined && edit) this.host.edit(`${v}/${thumb}`);
    const link = (name: string) => this.host.link(name, { from: receivedAt, life });
    const links = {
      ...(video !== undefined && { video: link(`${v}/${video}.mp4`) }),
      ...(thumb !== undefined && { thumbnail: link(`${v}/${thumb}`) }),
    };
    const body = JSON.stringify({
      ...{ type, wochitVideoId: v, videoUrl: links.video, thumbnailUrl: links.thumbnail },
    });
    let before: number | null = null;
    let after = 0;
    await this.survive(async () => {
      before ??= await this.life.events(v);
      // The provider sends again what was not answered.
      await this.life.post(body, receivedAt, late > 0);
      after = await this.life.events(v);
    });
    const isDuplicate = after === before;
    const nth = ++this.nth;
    for (const [kind, url] of Object.entries(links) as [Announced["kind"], string][]) {
      const [name, deadline] = [nameIn(url), deadlineOf(url, receivedAt, DAY)];
      // What is repeated was erased, but for its fingerprint: nothing is fetched for it.
      if (isDuplicate && !this.announced.some((a) => a.name === name)) continue;
      const version = this.host.versions(name).at(-1)!;
      this.announced.push({ kind, v, name, version, nth, deadline, isLate: late > 0, isDuplicate });
    }
    const isPolicy = type.endsWith(".delete") && this.settings.onDelete === "delete" && !isDuplicate;
    if (isPolicy) this.deletes.push({ v, type, nth, receivedAt });
  }

  /** Until nothing runs but what the host holds back. */
  private async rest(): Promise<void> {
    const until = performance.now() + PATIENCE;
    while ((await this.life.running()) > this.host.held()) {
      if (performance.now() > until) fail("work comes to an end", "a job runs on and on");
      await sleep(1);
      if (this.body.isDead()) throw new Killed("at rest");
    }
  }

  /** What is due is done, and time goes by until what is due next. */
  private async live(until: number): Promise<void> {
    for (;;) {
      for (let [claimed, rounds] = [1, 0]; claimed > 0; ) {
        if (rounds++ > MOST_ROUNDS) fail("work comes to an end", `after ${MOST_ROUNDS} rounds there is more`);
        claimed = 0;
        for (const queue of ["download", "upload", "delete"]) claimed += await this.life.work(queue, 9);
        await this.rest();
      }
      await this.deliver();
      const due = await this.life.nextDue();
      const next = Math.max(due ?? Number.POSITIVE_INFINITY, this.now + SECOND);
      if (this.now >= until) return;
      await this.pass(Math.min(until, next), true);
    }
  }

  private async pass(to: number, renews: boolean): Promise<void> {
    this.now = Math.max(this.now, to);
    await this.life.pass(this.now, renews);
  }

  private async deliver(): Promise<void> {
    for (const { v, kind, key, name } of await this.life.deliver()) {
      const told = this.told.get(key) ?? { v, kind, names: new Set() };
      told.names.add(name);
      this.told.set(key, told);
    }
    await this.life.delivered();
  }

  private folderOf(target: string): string {
    return join(filesOf(this.around.folder), "targets", target);
  }

  private takeAway(target: string): void {
    const folder = this.folderOf(target);
    if (existsSync(folder)) renameSync(folder, `${folder}.away`);
  }

  private bringBack(target: string): void {
    const folder = this.folderOf(target);
    if (existsSync(`${folder}.away`)) renameSync(`${folder}.away`, folder);
  }

  private async configure({ by, change, dies }: Extract<Command, { do: "config" }>): Promise<void> {
    const target = change.target === "bucket" && this.around.bucket === null ? "two" : change.target;
    this.settings = { ...this.settings, ...change, ...(target && { target }) };
    if (by === "reload") {
      if (this.settings.target !== "bucket") this.bringBack(this.settings.target);
      return this.life.reload(this.settings);
    }
    await this.life.close();
    if (this.body.isDead()) throw new Killed("at its end");
    await this.open(dies);
  }

  private async forget(v: string): Promise<void> {
    await this.life.forget(v);
    this.announced = this.announced.filter((one) => one.v !== v);
    this.deletes = this.deletes.filter((one) => one.v !== v);
    this.posts = this.posts.filter((post) => post.v !== v);
    for (const [key, told] of this.told) if (told.v === v) this.told.delete(key);
  }

  // Promises after every command

  /** A film's copy is what its row says, and what the host had. */
  private async judgeFilms(): Promise<void> {
    for (const medium of await this.life.media()) {
      if (medium.kind !== "video" || medium.state !== "mirrored" || medium.suspect !== null) continue;
      let wrong = await this.whatIsWrong(medium);
      if (wrong === null || this.body.isDead()) continue;
      // It may have changed, or gone, while it was looked at.
      const now = (await this.life.media()).find(({ id }) => id === medium.id);
      if (now?.state !== "mirrored") continue;
      wrong = await this.whatIsWrong(now);
      if (wrong !== null && !this.body.isDead()) fail("no film is overwritten", wrong);
    }
  }

  private async whatIsWrong({ key, sha256: kept, sourceUrl }: Medium): Promise<string | null> {
    const copy = await this.life.get(key!);
    if (copy.status === 503) return null; // Its folder is away.
    if (copy.status !== 200) return `${key} is mirrored, and answers ${copy.status}`;
    if (copy.sha256 !== kept) return `${key} is not what its row says`;
    const name = nameIn(sourceUrl);
    return name === "" || this.isVersionOf(name, copy) ? null : `${key} never was ${name}`;
  }

  private isVersionOf(name: string, copy: Copy): boolean {
    return this.host.versions(name).some((version) => sha256Of(fileOf(name, version)) === copy.sha256);
  }

  // Promises of what comes once the world is well

  async drain(): Promise<void> {
    await this.survive(async () => {
      this.pieces = null;
      await this.life.disarm();
      this.host.clear();
      for (const target of ["one", "two"]) this.bringBack(target);
      await this.configure({ do: "config", by: "reload", change: { enabled: true } });
      await this.life.endMove();
    });
    const start = this.now;
    await this.live(start + 2 * HOUR);
    const media = await this.life.media();
    this.judgeLosses(media, start);
    await this.judgeLinks();
    await this.judgeThumbnails(start);
    await this.judgeLeftovers(media);
    const open = await this.life.undelivered();
    if (open > 0) fail("every event is delivered", `${open} deliveries have not ended`);
  }

  /** What there is, a line for each medium. */
  async describe(): Promise<string[]> {
    return (await this.life.media()).map((one) => {
      const { kind, state, sourceUrl, key, bytes, sha256, suspect, lastError } = one;
      const from = sourceUrl.slice(this.host.base.length);
      return `${kind} ${from}: ${state} ${key} ${bytes} ${sha256?.slice(0, 8)} ${suspect ?? lastError ?? ""}`;
    });
  }

  async close(): Promise<void> {
    await this.life.close();
  }

  private isDeleted(a: Announced): boolean {
    return this.deletes.some(
      ({ v, type, nth, receivedAt }) =>
        v === a.v && nth > a.nth && type === "video.delete" && receivedAt + DELETE_AFTER <= this.now,
    );
  }

  private judgeLosses(media: Medium[], start: number): void {
    for (const a of this.announced) {
      if (a.kind !== "video" || a.deadline <= start + HOUR || this.isDeleted(a)) continue;
      const mine = media.filter((one) => one.videoId === a.v && nameIn(one.sourceUrl) === a.name);
      if (mine.some(({ state, suspect }) => state === "mirrored" && suspect === null)) continue;
      const is = mine.map(({ state, suspect, lastError }) => `${state} (${suspect ?? lastError})`);
      fail("no film is lost", `${a.name} is ${is}`);
    }
  }

  private async judgeLinks(): Promise<void> {
    for (const [key, { v, kind, names }] of this.told) {
      if (this.deletes.some((one) => one.v === v)) continue;
      const copy = await this.life.get(key);
      if (copy.status !== 200) fail("no link that was sent is dead", `${key} answers ${copy.status}`);
      // An older link of a picture leads to the one that took its place.
      const may = kind === "video" ? [...names] : this.announced.filter((a) => a.v === v).map(({ name }) => name);
      if (!may.some((name) => this.isVersionOf(name, copy)) && !(await this.isRemainder(key))) {
        fail("a link gives the right bytes", `${key} gives none of ${may}`);
      }
    }
  }

  /** Of a film that never came whole as much as came is kept, and marked. */
  private async isRemainder(key: string): Promise<boolean> {
    return (await this.life.media()).some((one) => one.key === key && one.suspect !== null);
  }

  private async judgeThumbnails(start: number): Promise<void> {
    const media = await this.life.media();
    for (const v of new Set(this.announced.map((a) => a.v))) {
      const newest = this.announced.filter((a) => a.v === v && a.kind === "thumbnail" && !a.isDuplicate).at(-1);
      if (newest === undefined || newest.isLate || newest.deadline < start + HOUR) continue;
      if (this.deletes.some((one) => one.v === v)) continue;
      const shown = media.filter((one) => one.videoId === v && one.kind === "thumbnail" && one.state === "mirrored");
      const copies = await Promise.all(shown.map(({ key }) => this.life.get(key!)));
      // It may have changed since, unannounced.
      const { name, version: since } = newest;
      const may = this.host.versions(name).filter((version) => version >= since);
      if (!copies.some((copy) => may.some((version) => copy.sha256 === sha256Of(fileOf(name, version))))) {
        const names = shown.map(({ sourceUrl }) => nameIn(sourceUrl));
        fail("the newest thumbnail is shown", `${v} shows ${names}, the newest is ${name}, version ${since}`);
      }
    }
  }

  private async judgeLeftovers(media: Medium[]): Promise<void> {
    const files = filesOf(this.around.folder);
    const spooled = filesIn(join(files, "data", "spool"));
    if (spooled.length > 0) fail("nothing is left in the spool", spooled.join(", "));
    const isKnown = (name: string) =>
      media.some(({ state, key }) => key === name && state !== "superseded" && state !== "deleted");
    const local = ["one", "two"].flatMap((target) => filesIn(join(files, "targets", target)));
    // The next probe takes the place of one that a death has left.
    const left = [...local, ...this.around.objects()].filter((key) => key !== "~probe" && !isKnown(key));
    if (left.length > 0) fail("nothing is left behind in a target", left.join(", "));
    const wrong = await this.life.verify();
    if (wrong.length > 0) fail("media verify finds nothing", wrong.join(", "));
  }
}

function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** For tests and scripts that make folders of their own. */
export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
