import { Buffer } from "node:buffer";
import { readFacts } from "../actions/alarms/facts.ts";
import { type Alarm, judgeAlarms, onsetOf } from "../actions/alarms/judge.ts";
import type { AlertReceiver, AlertsConfig, Config } from "../config/schema.ts";
import { errorLine } from "../errors.ts";
import { type AlertJob, receiverName, type StandingAlarm } from "../model/alert.ts";
import { every } from "../platform/timing.ts";
import type { Clock, Ports } from "../ports.ts";
import { type Doubling, doublingWait } from "../rules/schedule.ts";
import type { Store } from "../store/store.ts";
import { CANNOT_COMMIT, createDirect } from "./direct.ts";
import { forEachReceiver } from "./each.ts";
import { createHeartbeat } from "./heartbeat.ts";
import { createSender, longestSend } from "./send.ts";
import { messageOf } from "./words.ts";

/** Milliseconds: how often it is looked, for the first time after a start; who is at it keeps its turn for so long. */
const LOOK_EVERY = 30_000;
const FIRST_AFTER = 5_000;
const LEASE = 60_000;

/** At most one message a minute goes to a receiver. */
const PAUSE = 60_000;

/** How soon one that takes nothing is tried again. */
const TRY_AGAIN: Doubling = { first: 60_000, longest: 15 * 60_000 };

export type Alerts = {
  /** Again after a stop, too. */
  start(): void;
  stop(): Promise<void>;
};

type Options = {
  store: Store;
  ports: Ports;
  /** As it is at each call. */
  config(): Config;
  targetTrouble(): string | null;
  /** Which relay it is, for one who has several. */
  relay(): string;
  /** The process, which keeps its turn when its config changes. */
  by: string;
  userAgent: string;
};

/**
 * The part of a relay that tells what needs a person (CONTRACT, "Alerts"): what is to be said is in the store, and is sent from
 * there. `alerts` null: nothing is said, and what the store keeps for former receivers goes. A new config replaces it.
 */
export function alertsPart(given: Omit<Options, "by">) {
  const options: Options = { ...given, by: Buffer.from(given.ports.random.bytes(8)).toString("hex") };
  return {
    options: ({ alerts }: Config) => alerts,
    open({ alerts }: Config): Alerts {
      let running: ReturnType<typeof startAlerts> | null = null;
      return {
        start() {
          running = startAlerts(alerts ?? { to: [], heartbeat: null }, options);
        },
        stop: async () => running?.stop(),
      };
    },
    start: (alerts: Alerts) => alerts.start(),
    stop: (alerts: Alerts) => alerts.stop(),
  };
}

function startAlerts({ to, heartbeat }: AlertsConfig, options: Options): { stop(): Promise<void> } {
  const { store, ports, relay, by, userAgent } = options;
  const { clock, log } = ports;
  const sender = createSender({ clock, userAgent });
  const direct = createDirect({ to, sender, relay, clock });
  const works: Repeated[] = [];
  const each = forEachReceiver(warn);
  const stopped = new AbortController();
  /** As it was read last: it is asked for when the store may not answer. */
  let isSilenced = false;

  /** What keeps the store from committing cannot be kept in it, and a disk that hangs must not keep it back. */
  const watch = async () => direct.tell(store.trouble(), { isSilenced });

  async function look(): Promise<void> {
    const now = clock.now();
    const outside = { isRunning: true, storeTrouble: store.trouble(), targetTrouble: options.targetTrouble() };
    isSilenced = (await store.alarms(now)).silences.some(({ name }) => name === CANNOT_COMMIT);
    const alarms = to.length === 0 ? [] : judgeAlarms(await readFacts(store, options.config(), { ...outside, now }));
    const standing = alarms.filter(({ name }) => name !== CANNOT_COMMIT).map((alarm) => standingOf(alarm, now));
    const receivers = to.map(({ id, name, place, atLeast }) => ({ id, name, place, atLeast }));
    const { dropped } = await store.noteAlarms({ standing, receivers, by, leaseFor: LEASE }, now);
    for (const { place, waiting, ...who } of dropped) {
      log.info("a receiver of alerts has left the config: what waited for it is dropped", {
        ...{ receiver: receiverName(who), place, alerts: waiting },
      });
    }
    for (const receiver of to.filter(({ id }) => each.isFree(id))) each.begin(receiver.id, () => sendTo(receiver));
  }

  /** What waits for it, if it may be sent something now. */
  async function sendTo(receiver: AlertReceiver): Promise<void> {
    const leaseFor = longestSend(receiver) + LEASE;
    const jobs = await store.claimAlerts({ receivers: [receiver.id], leaseFor }, clock.now());
    for (const job of jobs) await send(receiver, job);
  }

  async function send(to: AlertReceiver, { receiver: id, claim, upTo, failures, alerts }: AlertJob): Promise<void> {
    const message = messageOf(alerts, { relay: relay(), at: clock.now() });
    const error = await sender.send(to, message);
    const now = clock.now();
    const job = { receiver: id, claim, upTo, pause: PAUSE };
    const receiver = receiverName(to);
    // By the stop, for a reload perhaps: what comes after it sends it again.
    if (stopped.signal.aborted && error !== null) return store.settleAlerts(job, { is: "cut off" }, now);
    if (error === null) {
      await store.settleAlerts(job, { is: "sent" }, now);
      if (failures > 0) log.info("alerts are taken again", { receiver });
      return;
    }
    if (failures === 0) log.warn("alerts could not be sent: they are kept, and tried again", { receiver, error });
    await store.settleAlerts(job, { is: "failed", error, at: now + doublingWait(failures + 1, TRY_AGAIN) }, now);
  }

  function warn(error: string): void {
    if (!stopped.signal.aborted) log.warn("alarms could not be looked after", { error });
  }
  const often = { ms: LOOK_EVERY, first: FIRST_AFTER, clock, warn };
  works.push(repeat(watch, often), repeat(look, often));
  if (heartbeat !== null) {
    const beat = createHeartbeat(heartbeat.url, { store, sender, clock, log });
    works.push(repeat(beat, { ms: heartbeat.every, first: 0, clock, warn }));
  }
  return {
    async stop() {
      stopped.abort();
      for (const { end } of works) end();
      await sender.close();
      await Promise.all(works.map(({ turn }) => turn()));
      await Promise.all([each.ended(), direct.ended()]);
    },
  };
}

type Repeated = { end(): void; turn(): Promise<void> };

/** Does it again and again, one at a time; `warn` is called where it fails for another reason than the last time. */
function repeat(
  work: () => Promise<void>,
  { ms, first, clock, warn }: { ms: number; first: number; clock: Clock; warn(error: string): void },
): Repeated {
  let trouble = "";
  let turn = Promise.resolve();
  const run = async () => {
    const found = await work().then(() => "", errorLine);
    if (found !== trouble && found !== "") warn(found);
    trouble = found;
  };
  const end = every(
    ms,
    clock,
    () => {
      turn = run();
      return turn;
    },
    { first },
  );
  return { end, turn: () => turn };
}

function standingOf({ page: _, ...words }: Alarm, now: number): StandingAlarm {
  return { ...words, ...onsetOf(words.name, now) };
}
