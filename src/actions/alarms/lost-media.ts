import { formatCount } from "../format.ts";
import type { Facts, Standing } from "./shape.ts";

/** What came to nothing within a day: the judgement of MediaLost. */
export function judgeLost({ expired, failed }: Facts): Standing[] {
  if (expired.count + failed.count === 0) return [];
  if (failed.count === 0) return [ofExpired(expired)];
  const also = expired.count === 0 ? "" : `; ${counted(expired)} expired before ${are(expired)} saved`;
  const why = failed.lastError === null ? "" : `The newest: ${failed.lastError}. `;
  return [
    {
      what: `${counted(failed)} failed within a day, and nothing tries ${failed.count === 1 ? "it" : "them"} again${also}`,
      means: `${why}Mend the cause and retry before the links die, a day after they came; then only Wochit can announce new ones.`,
      commands: ["wochit-relay media list --state failed", "wochit-relay media retry --state failed"],
      page: "/media?state=failed",
    },
  ];
}

type Counted = { count: number; isCut: boolean };

const ofExpired = (expired: Counted): Standing => ({
  what: `${counted(expired)} expired within a day before ${are(expired)} saved`,
  means: "Their links are dead. Ask Wochit to produce or announce them again.",
  commands: ["wochit-relay media list --state expired"],
  page: "/media?state=expired",
});

const counted = ({ count, isCut }: Counted) => (isCut ? `${count} media or more` : formatCount(count, "medium"));
const are = ({ count }: Counted) => (count === 1 ? "it was" : "they were");
