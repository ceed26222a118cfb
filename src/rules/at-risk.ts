/** Shares of a link's life after which a medium that is not secured is at risk (`relay.media.at_risk`). */
const RISKS = [0.5, 0.75, 0.9];

type LinkLife = { linkedAt: number; deadline: number; now: number };

/** The next time after `now` at which a medium that is not secured reaches one of the shares; null: none is left. */
export function nextRisk({ linkedAt, deadline, now }: LinkLife): number | null {
  const times = RISKS.map((share) => Math.round(linkedAt + share * (deadline - linkedAt)));
  return times.find((time) => time > now) ?? null;
}

/** The greatest of the shares that a medium at risk has reached. */
export function riskShare({ linkedAt, deadline, now }: LinkLife): number {
  return RISKS.findLast((share) => linkedAt + share * (deadline - linkedAt) <= now + 1) ?? RISKS[0]!;
}
