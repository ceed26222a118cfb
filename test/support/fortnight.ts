import type { TestContext } from "node:test";
import { ALARMS, type AlarmName, onsetOf, severityOf } from "../../src/actions/alarms/judge.ts";
import type { Alert, AlertJob, Receiver, Said, StandingAlarm } from "../../src/model/alert.ts";
import { openStore } from "../../src/store/open.ts";
import { configIn } from "./config.ts";
import { tempFolder } from "./folder.ts";
import { testClock, testPorts } from "./ports.ts";
import { seededRandom } from "./random.ts";

// A fortnight of alarms in simulated time. Two relays look at one store; the process that holds it, or one of them, dies
// between any two steps.

const MINUTE = 60_000;
const HOUR = 60;
const DAY = 24 * HOUR;
const DAYS = 14;
const LEASE = MINUTE;

/** An alarm that comes and goes: so many minutes on, then off, so often. It stays longer than any must stand to begin. */
const FLAPS = { on: 25, off: 15, times: 4 };

const RECEIVERS: Receiver[] = [
  { id: "slack-1", name: "chat", place: "chat.example.com", atLeast: "ticket" },
  { id: "text-2", name: null, place: "ntfy.example.com", atLeast: "page" },
  { id: "mail-3", name: null, place: "ops@example.com", atLeast: "ticket" },
];

/** The third takes nothing in these minutes. */
const isDown = (id: string, minute: number) => id === "mail-3" && minute >= 3 * DAY && minute < 5 * DAY + 7 * HOUR;

/** Each on a day of its own: three hours from ten o'clock, and from three it comes and goes. MediaLost lasts over a day at the end. */
function stands(name: AlarmName, minute: number): boolean {
  if (name === "MediaLost" && minute >= 12 * DAY + 10 * HOUR && minute < 13 * DAY + 16 * HOUR) return true;
  const at = minute - ALARMS.indexOf(name) * DAY - 10 * HOUR;
  if (at >= 0 && at < 3 * HOUR) return true;
  const cycle = FLAPS.on + FLAPS.off;
  const flapping = at - 5 * HOUR;
  return flapping >= 0 && flapping < FLAPS.times * cycle && flapping % cycle < FLAPS.on;
}

/** What is to be said of one, in this order. The third begin within two hours is said as flapping, and its end an hour after the last. */
function expected(name: AlarmName): Said[] {
  const flapped: Said[] = ["begins", "ends", "begins", "ends", "flaps", "ends"];
  return ["begins", "ends", ...flapped, ...(name === "MediaLost" ? (["begins", "lasts", "ends"] as const) : [])];
}

/** `awakeAt`: until this minute it is dead. */
type Relay = { name: string; awakeAt: number };

/** What a relay was about has ended with it. */
class Dead extends Error {}

export type Fortnight = {
  seed: number;
  /** How often all died, and one relay alone. */
  kills: number;
  falls: number;
  messages: number;
  /** Messages that came again, since their relay died before it could note that they were taken. */
  repeats: number;
  problems: string[];
};

/** `step`: minutes between two looks; `risk`: of a death at each of the places between two steps. */
export async function playFortnight(
  t: Pick<TestContext, "after">,
  { seed, step, risk }: { seed: number; step: number; risk: number },
): Promise<Fortnight> {
  const clock = testClock();
  const start = clock.now();
  const config = configIn(tempFolder(t), {});
  const random = seededRandom(seed);
  const open = () => openStore(config, testPorts(clock), { role: "relay" });
  let store = await open();
  t.after(() => store.close());

  const heard = new Map<string, Alert[]>(RECEIVERS.map(({ id }) => [id, []]));
  const relays: Relay[] = [
    { name: "a", awakeAt: 0 },
    { name: "b", awakeAt: 0 },
  ];
  let rebirth = Promise.resolve();
  /** What a relay notes once more, and late: it was taken for dead. */
  let late: { at: number; job: AlertJob }[] = [];
  const played: Fortnight = { seed, kills: 0, falls: 0, messages: 0, repeats: 0, problems: [] };
  let unnoted = 0;

  /** This relay may die here, alone or with the process and all that it was about. */
  async function mayDie(relay: Relay, minute: number): Promise<void> {
    const chance = random.float();
    if (chance >= risk) return;
    if (chance < risk / 2 || relays.some((one) => one !== relay && one.awakeAt > minute)) {
      played.kills++;
      rebirth = store.close().then(async () => {
        store = await open();
        await store.freeLeases(clock.now());
        for (const one of relays) one.name = `${one.name[0]}${played.kills}`;
      });
    } else {
      played.falls++;
      relay.awakeAt = minute + 1 + Math.floor(random.float() * 20);
    }
    throw new Dead();
  }

  function take({ receiver, alerts }: AlertJob): void {
    played.messages++;
    const known = heard.get(receiver)!;
    const fresh = alerts.filter(({ id }) => !known.some((one) => one.id === id));
    if (fresh.length < alerts.length) played.repeats++;
    known.push(...fresh);
  }

  async function look(relay: Relay, minute: number): Promise<void> {
    const now = clock.now();
    const standing = ALARMS.filter((name) => stands(name, minute)).map(
      (name): StandingAlarm => ({
        ...{ name, severity: severityOf(name), subject: null, what: name, means: "", commands: [] },
        ...onsetOf(name, now),
      }),
    );
    const lives = played.kills;
    /** A step, after which this relay may be dead: by its own chance, or with the process. */
    const step = async <T>(work: Promise<T>): Promise<T> => {
      const result = await work.catch((error) => {
        throw played.kills > lives ? new Dead() : error;
      });
      if (played.kills > lives) throw new Dead();
      await mayDie(relay, minute);
      return result;
    };
    let isNoted = true;
    try {
      await step(store.noteAlarms({ standing, receivers: RECEIVERS, by: relay.name, leaseFor: LEASE }, now));
      const receivers = RECEIVERS.map(({ id }) => id);
      for (const job of await step(store.claimAlerts({ receivers, leaseFor: LEASE }, now))) {
        const fails = isDown(job.receiver, minute);
        if (!fails) take(job);
        isNoted = fails;
        if (!fails && random.float() < 0.1) late.push({ at: minute + 2, job });
        await step(Promise.resolve());
        const failed = { is: "failed", error: "HTTP 500", at: now + 5 * MINUTE } as const;
        await store.settleAlerts({ ...job, pause: MINUTE }, fails ? failed : { is: "sent" }, now).catch((error) => {
          throw played.kills > lives ? new Dead() : error;
        });
        isNoted = true;
        await step(Promise.resolve());
      }
    } catch (error) {
      if (!(error instanceof Dead)) throw error;
      if (!isNoted) unnoted++;
    }
  }

  for (let minute = 0; minute < DAYS * DAY; minute += step) {
    clock.set(start + minute * MINUTE);
    const again = late.filter(({ at }) => at <= minute);
    late = late.filter(({ at }) => at > minute);
    const looks = (random.float() < 0.5 ? relays : relays.toReversed())
      .filter(({ awakeAt }) => awakeAt <= minute)
      .map((relay) => look(relay, minute));
    for (const { job } of again) {
      const kills = played.kills;
      await store.settleAlerts({ ...job, pause: MINUTE }, { is: "sent" }, clock.now()).catch((error) => {
        if (played.kills === kills) throw error;
      });
    }
    await Promise.all(looks);
    await rebirth;
  }

  for (const { id, atLeast } of RECEIVERS) {
    for (const name of ALARMS) {
      const said = heard.get(id)!.filter((alert) => alert.name === name);
      const wanted = atLeast === "page" && severityOf(name) === "ticket" ? [] : expected(name);
      if (said.map(({ says }) => says).join() === wanted.join()) continue;
      played.problems.push(`${id} of ${name}: ${said.map(({ says }) => says).join()}, not ${wanted.join()}`);
    }
  }
  if (played.repeats > unnoted)
    played.problems.push(`${played.repeats} messages came again, ${unnoted} were not noted`);
  const left = (await store.receivers()).filter(({ waiting, failingSince }) => waiting > 0 || failingSince !== null);
  if (left.length > 0) played.problems.push(`something waits still: ${JSON.stringify(left)}`);
  return played;
}
