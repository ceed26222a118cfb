import type { AlertJob, AlertOutcome, Receiver, ReceiverState, StandingAlarm } from "../model/alert.ts";

/** Alerts (CONTRACT, "Alerts"): how far each alarm has come, and what is still to be sent where. */
export type AlertVerbs = {
  /**
   * Moves all alarms on by what stands at `now`, and keeps what is to be said for each receiver; what was kept for others goes.
   * One relay at a time does so: nothing is done while another than `by` has within `leaseFor` milliseconds. `said`: how many
   * alarms had something to say.
   */
  noteAlarms(
    seen: { standing: StandingAlarm[]; receivers: Receiver[]; by: string; leaseFor: number },
    now: number,
  ): Promise<{ said: number }>;
  /** For each of these that something waits for, and that may be sent something: all of it, up to some fifty alerts, leased. */
  claimAlerts(wish: { receivers: string[]; leaseFor: number }, now: number): Promise<AlertJob[]>;
  /** Ends a claim; nothing is done where that is lost. After what was sent the receiver is left alone for `pause` milliseconds. */
  settleAlerts(
    job: Omit<AlertJob, "failures" | "alerts"> & { pause: number },
    outcome: AlertOutcome,
    now: number,
  ): Promise<void>;
  /** Of all that anything waits for, or was sent to; in the order of their ids. */
  receivers(): Promise<ReceiverState[]>;
};
