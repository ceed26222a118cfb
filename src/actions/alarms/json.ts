import type { ReceiverState, Silence } from "../../model/alert.ts";
import { isoTime } from "../json.ts";

// What is shown of receivers and silences. Times are ISO 8601.

export type SilenceJson = ReturnType<typeof silenceJson>;

export const silenceJson = ({ since, until, reason }: Silence) => ({
  since: isoTime(since)!,
  until: isoTime(until)!,
  reason,
});

/** The silence of each alarm that has one, by its name. */
export function silencesByName(silences: Silence[]): Map<string, SilenceJson> {
  return new Map(silences.map((silence) => [silence.name, silenceJson(silence)]));
}

export function receiverJson({ id, name, sentAt, failingSince, ...receiver }: ReceiverState) {
  return { id, name, ...receiver, sentAt: isoTime(sentAt), failingSince: isoTime(failingSince) };
}
