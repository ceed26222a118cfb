/** Shares of a link's life after which whoever asks is told that nothing is secured yet (`relay.media.at_risk`). */
const RISKS = [0.5, 0.75, 0.9];

/** The next time after `now` at which a medium that is not secured is at risk, or at greater risk; null: at none. */
export function nextRisk({
  linkedAt,
  deadline,
  now,
}: {
  linkedAt: number;
  deadline: number;
  now: number;
}): number | null {
  const times = RISKS.map((share) => Math.round(linkedAt + share * (deadline - linkedAt)));
  return times.find((time) => time > now) ?? null;
}

/** The share of its link's life that a medium at risk has used up: the greatest of those that are told. */
export function riskShare({ linkedAt, deadline, now }: { linkedAt: number; deadline: number; now: number }): number {
  return RISKS.findLast((share) => linkedAt + share * (deadline - linkedAt) <= now + 1) ?? RISKS[0]!;
}
