import type { AlertReceiver } from "../config/schema.ts";
import type { Alert } from "../model/alert.ts";
import type { Clock } from "../ports.ts";
import { type Course, moveOn } from "../rules/alarms/course.ts";
import { forEachReceiver } from "./each.ts";
import type { Sender } from "./send.ts";
import { messageOf } from "./words.ts";

/** The alarm that cannot be kept in the store. */
export const CANNOT_COMMIT = "RelayCannotCommit";

/**
 * Tells that events cannot be committed: that cannot be kept in the store, so it goes out at once, and what could not be sent is
 * tried again at each call. A restart forgets it.
 */
export function createDirect({
  to,
  sender,
  relay,
  clock,
}: {
  to: AlertReceiver[];
  sender: Sender;
  relay(): string;
  clock: Clock;
}): { tell(storeTrouble: string | null, how: { isSilenced: boolean }): void; ended(): Promise<void> } {
  const unsent = new Map<string, Alert[]>(to.map(({ id }) => [id, []]));
  /** A sender does not reject. */
  const each = forEachReceiver(() => {});
  let course: Course | null = null;
  let means = "";

  return {
    tell(storeTrouble, { isSilenced }) {
      const now = clock.now();
      const sight = { stands: storeTrouble !== null, holds: 0, mayBegin: true, isSilenced, now };
      const moved = moveOn(course, sight);
      course = moved.course;
      if (storeTrouble !== null) means = `Wochit gets 503: ${storeTrouble}.`;
      if (moved.says !== null) {
        const alert: Alert = {
          ...{
            id: `now_${now}`,
            says: moved.says,
            at: now,
            name: CANNOT_COMMIT,
            severity: "page",
            subject: null,
          },
          ...{ what: "Events cannot be committed", means, commands: ["wochit-relay doctor"] },
        };
        for (const [id, alerts] of unsent) unsent.set(id, [...alerts, alert]);
      }
      for (const receiver of to) {
        const alerts = unsent.get(receiver.id)!;
        if (alerts.length === 0 || !each.isFree(receiver.id)) continue;
        each.begin(receiver.id, async () => {
          const message = messageOf(alerts, { relay: relay(), at: now });
          if ((await sender.send(receiver, message)) !== null) return;
          const meanwhile = unsent.get(receiver.id)!.filter((alert) => !alerts.includes(alert));
          unsent.set(receiver.id, meanwhile);
        });
      }
    },
    ended: each.ended,
  };
}
