import type { Failure, Model } from "../walk.ts";
import { type Command, commandsOf, ENDPOINTS } from "./commands.ts";
import { type Answer, type Claim, DeliveryModel, HOUR, MINUTE, MISTAKES, type Mistake, START } from "./model.ts";
import { createJudge } from "./promises.ts";
import { type DeliverySystem, type Job, openModel, openStoreSystem, viewOf } from "./system.ts";

const EVERYTHING = 9_999;
const ORDERED = Object.keys(ENDPOINTS).filter((id) => ENDPOINTS[id]!.order === "video");

class Differs extends Error {
  readonly promise: string;

  constructor(promise: string, detail: string) {
    super(detail);
    this.promise = promise;
  }
}

/** The same thing on both sides. */
type Held = { delivery: number; mine: Claim; theirs: Job; isOver: boolean };

/**
 * Gives commands to the model and to another that should do the same, and compares whatever can be seen of both after each;
 * then all is well for as long as there is work. The promises are judged by what the model lets see.
 */
class Walk {
  readonly #model: DeliveryModel;
  readonly #other: DeliverySystem;
  readonly #judge = createJudge();
  /** Claims that were given, the newest last. */
  #held: Held[] = [];
  /** What each message is called by the other, and which message a name is of. */
  readonly #names = new Map<string, string>();
  /** The latest time that there was. */
  #latest = START;

  constructor(model: DeliveryModel, other: DeliverySystem) {
    this.#model = model;
    this.#other = other;
  }

  async apply(command: Command): Promise<void> {
    await this.#do(command);
    await this.#compare();
  }

  async #do(command: Command): Promise<void> {
    const [model, other] = [this.#model, this.#other];
    switch (command.do) {
      case "post": {
        const { type, v, media = "none", late = 0, free = null } = command;
        const post = { type, v, media, receivedAt: model.now - late, late: late > 0 };
        const wasLapsed = free !== null && model.hasLapsed(free);
        model.accept(post);
        const given = await other.accept(post, free);
        if (given === null) return;
        if (model.probeAt(free!) !== null)
          throw new Differs(`what ${free} is given with an event`, "its breaker is open");
        // It is a claim of what is first and alone. It may hold back: then the next claim gives it.
        const due = wasLapsed ? [] : model.claimable(free!).map(({ delivery }) => delivery);
        same(`what ${free} is given with an event`, due, [given.delivery]);
        this.#hold([given]);
        return;
      }
      case "pass":
        return this.#pass(model.now + command.ms);
      case "wake":
        return this.#pass(this.#nextClaim() ?? model.now);
      case "back":
        model.setBack(command.ms);
        return other.setBack(command.ms);
      case "claim":
        // Leases that have run out are found by a claim that comes to them: where there are some, all is claimed.
        return void (await this.#claim(command.e, (!model.hasLapsed(command.e) && command.limit) || EVERYTHING));
      case "settle":
      case "late settle": {
        const held = this.#held.filter(({ isOver }) => isOver === (command.do === "late settle"));
        const picked = held.at(-1 - (command.pick % Math.max(1, held.length)));
        const retryAfter = "retryAfter" in command ? (command.retryAfter ?? null) : null;
        const abort = "abort" in command && command.abort === true;
        if (picked) await this.#settle(picked, { status: command.status, retryAfter, abort });
        return;
      }
      case "outage": {
        // Enough of one kind that the breaker opens, unless all are of one video.
        for (let nth = 0; nth < 12 && model.probeAt(command.e) === null; nth++) {
          if (this.#claimableOf(command.e) === 0) this.#pass(this.#nextClaim() ?? model.now);
          for (const held of await this.#claim(command.e, EVERYTHING))
            await this.#settle(held, { status: command.status, retryAfter: null });
        }
        return;
      }
      case "renew": {
        const picked = this.#held.at(-1 - (command.pick % Math.max(1, this.#held.length)));
        if (picked) same("whether a lease is moved", model.renew(picked.mine), await other.renew(picked.theirs));
        return;
      }
      case "give back": {
        const picked = this.#held.at(-1 - (command.pick % Math.max(1, this.#held.length)));
        if (picked) same("what is given back", model.giveBack(picked.mine), await other.giveBack(picked.theirs));
        return;
      }
      case "pause":
        model.pause(command.e);
        return other.pause(command.e);
      case "resume":
        model.resume(command.e);
        return other.resume(command.e);
      case "remove":
      case "return":
        model.configure(command.e, command.do === "return");
        return other.configure(command.e, command.do === "return");
      case "retry":
        return this.#onOne(
          command,
          ["pending", "waiting", "running", "delivered", "dead", "dead", "canceled"],
          (at) => [model.retry(at), other.retry(at)],
        );
      case "cancel":
        return this.#onOne(command, ["pending", "waiting", "dead"], (at) => [model.cancel(at), other.cancel(at)]);
      case "cancel running":
        return this.#onOne(command, ["running"], (at) => [model.cancel(at), other.cancel(at)]);
      case "replay": {
        const count = model.sequences().length;
        if (count === 0 || !model.isConfigured(command.e)) return;
        const event = count - 1 - (command.pick % count);
        const isNew = command.newId ?? false;
        return same(
          "whether it is replayed",
          model.replay(event, command.e, isNew),
          await other.replay(event, command.e, isNew),
        );
      }
      case "task": {
        const { verb, e: endpoint, size, newId = false } = command;
        const wish = { verb, endpoint, size, newId };
        return same("whether a task is made", model.task(wish), await other.task(wish));
      }
      case "batch":
        return same("whether a task is worked", model.batch(command.verb), await other.batch(command.verb));
      case "cancel task":
        return same("whether a task is canceled", model.cancelTask(command.verb), await other.cancelTask(command.verb));
      case "forget":
        return same("whether it is erased", model.forget(command.v), await other.forget(command.v));
      case "prune":
        model.prune(command);
        return other.prune(command);
      case "restart":
        model.restart();
        return other.restart();
      case "backup":
        if (!other.hasBackups) return;
        model.backup();
        return other.backup();
      case "restore": {
        if (!other.hasBackups) return;
        // What is lost has taken numbers of its time, of which the backup knows nothing: a right clock is beyond them.
        this.#pass(this.#latest + MINUTE);
        const isDone = model.restore();
        same("whether there is a backup", isDone, await other.restore());
        if (!isDone) return;
        this.#held = [];
        return this.#judge.restored(viewOf(model));
      }
    }
  }

  async #onOne(
    command: { pick: number },
    states: string[],
    work: (at: number) => [boolean, Promise<boolean>],
  ): Promise<void> {
    const fit = [...this.#model.deliveries().entries()].filter(([, { state }]) => states.includes(state));
    const picked = fit.at(-1 - (command.pick % Math.max(1, fit.length)));
    if (!picked) return;
    const [mine, theirs] = work(picked[0]);
    same(`whether that can be done to one that is ${picked[1].state}`, mine, await theirs);
  }

  #pass(to: number): void {
    this.#latest = Math.max(this.#latest, to);
    this.#model.pass(to);
    this.#other.pass(to);
  }

  #claimableOf(endpoint: string): number {
    return Math.min(this.#model.claimable(endpoint).length, this.#model.room(endpoint));
  }

  #nextClaim(): number | null {
    const times = Object.keys(ENDPOINTS).flatMap((id) => this.#model.nextClaim(id) ?? []);
    return times.length === 0 ? null : Math.min(...times);
  }

  async #claim(endpoint: string, limit: number): Promise<Held[]> {
    const model = this.#model;
    const given = await this.#other.claim(endpoint, limit);
    const free = model.claimable(endpoint);
    const [expected, real] = [free, given].map((list) => list.map(({ delivery }) => delivery).sort((a, b) => a - b));
    const most = Math.min(limit, model.probeAt(endpoint) === null ? model.room(endpoint) : 1);
    if (most >= free.length) same(`what ${endpoint} is given`, expected, real);
    same(`how many ${endpoint} is given`, Math.max(0, Math.min(most, free.length)), given.length);
    for (const { delivery } of given) {
      const mine = free.find((one) => one.delivery === delivery);
      if (!mine) throw new Differs(`what ${endpoint} is given`, `the model gives ${expected}\n  the other ${real}`);
      const passed = free.find((one) => !real!.includes(one.delivery) && one.to < mine.from);
      if (passed) throw new Differs("what is due first is sent first", `${delivery} passes ${passed.delivery}`);
    }
    return this.#hold(given);
  }

  #hold(given: Job[]): Held[] {
    const model = this.#model;
    const claims = given.map((theirs) => {
      const { delivery, message } = theirs;
      this.#name(model.message(delivery), message);
      return { delivery, mine: model.claim(delivery), theirs, isOver: false };
    });
    for (const held of this.#held) held.isOver ||= claims.some(({ delivery }) => delivery === held.delivery);
    this.#held.push(...claims);
    return claims;
  }

  /** One message has one name for ever, and no other has it, also after a restore. */
  #name(message: string, name: string): void {
    const [known, used] = [this.#names.get(message) ?? name, this.#names.get(`name ${name}`) ?? message];
    if (known !== name || used !== message) {
      throw new Differs(
        "a message keeps its id",
        `${message} is ${name}, ${known} was its id, and ${name} that of ${used}`,
      );
    }
    this.#names.set(message, name).set(`name ${name}`, message);
  }

  async #settle(held: Held, answer: Answer): Promise<void> {
    const { delivery, mine, theirs } = held;
    held.isOver = true;
    const [expected, real] = [this.#model.settle(mine, answer), await this.#other.settle(theirs, answer)];
    same("what comes of an answer", expected, real);
    const view = viewOf(this.#model);
    if (view.deliveries[delivery]?.state !== "delivered" || !expected.settled) return;
    const broken = this.#judge.judgeOrder(view, delivery, ORDERED);
    if (broken) throw new Differs(broken.promise, broken.detail);
  }

  async #compare(): Promise<void> {
    const mine = viewOf(this.#model);
    const theirs = await this.#other.view();
    for (const part of ["sequences", "deliveries", "waits"] as const) {
      const [a, b] = [mine[part], theirs[part]];
      same(`how many ${part} there are`, a.length, b.length);
      for (const [at, one] of a.entries()) same(`the ${part}`, one, b[at], `${at}: `);
    }
    for (const [at, due] of mine.dueTimes.entries()) {
      if (due !== null) same("when the next attempt is", due, theirs.dueTimes[at], `delivery ${at}: `);
    }
    same("the tasks", mine.tasks, theirs.tasks);
    same("which endpoints are paused", mine.paused, theirs.paused);
    same("which breakers are open", mine.breakers, theirs.breakers);
    for (const id of Object.keys(ENDPOINTS)) {
      const [next, due] = [this.#model.nextClaim(id), await this.#other.nextDue(id)];
      // It may look in vain, but never too late.
      if (next !== null && (due === null || due > next)) same(`when ${id} is asked again`, next, due);
    }
    const broken = this.#judge.judge(mine, (at) => this.#model.isAside(at), ORDERED);
    if (broken) throw new Differs(broken.promise, broken.detail);
  }

  /** Every app answers with success from now on: all that is wanted arrives. */
  async drain(): Promise<void> {
    for (const e of Object.keys(ENDPOINTS)) {
      await this.apply({ do: "return", e });
      await this.apply({ do: "resume", e });
    }
    for (let steps = 0; steps < 300; steps++) {
      let moves = false;
      for (const e of Object.keys(ENDPOINTS)) {
        for (const held of await this.#claim(e, EVERYTHING)) {
          await this.#settle(held, { status: 200, retryAfter: null });
          moves = true;
        }
      }
      await this.#compare();
      if (moves) continue;
      const at = this.#nextClaim();
      const left = viewOf(this.#model).deliveries.filter(({ state }) =>
        ["pending", "waiting", "running"].includes(state),
      );
      if (left.length === 0) return;
      if (at === null || at > this.#model.now + 48 * HOUR) break;
      this.#pass(at);
    }
    throw new Differs("what waits is sent in the end", JSON.stringify(viewOf(this.#model).deliveries));
  }
}

async function compare(list: Command[], other: DeliverySystem, mistake: Mistake | null): Promise<Failure | null> {
  const walk = new Walk(new DeliveryModel(ENDPOINTS, mistake), other);
  let step = "";
  try {
    for (const [nth, command] of list.entries()) {
      step = `step ${nth + 1}, ${JSON.stringify(command)}`;
      await walk.apply(command);
    }
    step = "all is well";
    await walk.drain();
    return null;
  } catch (error) {
    const promise = error instanceof Differs ? error.promise : "no errors";
    return { promise, detail: `${step}\n  ${error instanceof Differs ? error.message : (error as Error).stack}` };
  } finally {
    await other.close();
  }
}

/** The model as its walks play it. */
export const delivery: Model<Command, Mistake> = {
  steps: { length: 50, commandsOf },
  mistakes: MISTAKES,
  alone: (list) => compare(list, openModel(), null),
  besideItself: (list, mistake) => compare(list, openModel(), mistake),
  besideStore: async (list, open, mistake) => compare(list, await openStoreSystem(open), mistake ?? null),
};

function same(promise: string, expected: unknown, real: unknown, where = ""): void {
  const [a, b] = [JSON.stringify(expected), JSON.stringify(real)];
  if (a !== b) throw new Differs(promise, `${where}the model says ${a}\n  the other says ${b}`);
}
