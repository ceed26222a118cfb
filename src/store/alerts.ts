import type {
  AlarmState,
  AlertJob,
  AlertOutcome,
  Receiver,
  ReceiverState,
  Silence,
  StandingAlarm,
} from "../model/alert.ts";

/** Alerts (CONTRACT, "Alerts"): how far each alarm has come, and what is still to be sent where. */
export type AlertVerbs = {
  /**
   * Moves all alarms on by what stands at `now`, and keeps what is to be said for each receiver; a new one gets what was said
   * before and still stands. One relay at a time does so: nothing is done while another than `by` has within `leaseFor`
   * milliseconds. `said`: how many alarms had something to say. `dropped`: the former receivers, with how many alerts waited for
   * each.
   */
  noteAlarms(
    seen: { standing: StandingAlarm[]; receivers: Receiver[]; by: string; leaseFor: number },
    now: number,
  ): Promise<{ said: number; dropped: Pick<ReceiverState, "id" | "name" | "place" | "waiting">[] }>;
  /** What is kept of alarms, by their names, and the silences that hold at `now`. */
  alarms(now: number): Promise<{ alarms: AlarmState[]; silences: Silence[] }>;
  /** Until then nothing is said of alarms of this name, whatever was said of it before. */
  silenceAlarm(name: string, how: { until: number; reason: string | null }, now: number): Promise<void>;
  /** What stands is said again. RelayError("conflict"): it is not silenced. */
  endSilence(name: string, now: number): Promise<void>;
  /** For each of these that something waits for, and that may be sent something: all of it, up to some fifty alerts, leased. */
  claimAlerts(wish: { receivers: string[]; leaseFor: number }, now: number): Promise<AlertJob[]>;
  /** Ends a claim; nothing is done where that is lost. After what was sent the receiver is left alone for `pause` milliseconds. */
  settleAlerts(
    job: Omit<AlertJob, "failures" | "alerts"> & { pause: number },
    outcome: AlertOutcome,
    now: number,
  ): Promise<void>;
  /** Of all that the relay knows by its config; in the order of their ids. */
  receivers(): Promise<ReceiverState[]>;
};
