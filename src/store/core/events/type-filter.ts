import { NOTICE_PREFIX } from "../../../model/notice.ts";
import { topicMatches } from "../../../rules/topics.ts";
import { all, any, type Condition, when } from "../rows/merge.ts";
import { sql, type Tx } from "../tx.ts";

/** At most this many types are looked at: a sender that makes types up must not make a list slow. */
const MOST = 500;

type First = { type: string | null };
const FIRST = sql<[string], First>("SELECT min(type) AS type FROM events WHERE type >= ?");
const NEXT = sql<[string], First>("SELECT min(type) AS type FROM events WHERE type > ?");

/** The types of all events and notices that are stored, each once, in order. */
export async function knownTypes(tx: Tx): Promise<string[]> {
  const types: string[] = [];
  for (let next = await tx.get(FIRST, [""]); next?.type != null && types.length < MOST; ) {
    types.push(next.type);
    next = await tx.get(NEXT, [next.type]);
  }
  return types;
}

// What the provider gives a name of the relay's own: it is unknown (wochit/event.ts, topicOf). The condition of events_disguised.
const DISGUISED = `e.dialect <> 'notice' AND e.type || '' >= '${NOTICE_PREFIX}' AND e.type || '' < 'relay/'`;

/**
 * What takes the events whose topic these patterns match (rules/topics.ts): as conditions each of which goes by an index, and
 * as one that goes by none. An event without a type is "video.failed" or "unknown".
 */
export async function ofTypes(tx: Tx, patterns: string[]): Promise<{ each: Condition[]; any: Condition }> {
  const named = (await knownTypes(tx)).filter((type) => topicMatches(patterns, type));
  const notices = named.filter((type) => type.startsWith(NOTICE_PREFIX));
  const provided = named.filter((type) => !type.startsWith(NOTICE_PREFIX));
  const isUnknown = topicMatches(patterns, "unknown");
  const nameless = [...(topicMatches(patterns, "video.failed") ? [1] : []), ...(isUnknown ? [0] : [])];
  const among = (types: string[]) => when(`coalesce(e.type, '') IN (${types.map(() => "?").join(", ")})`, ...types);
  const disguised = isUnknown ? [when(DISGUISED)] : [];
  const others = [
    ...(provided.length > 0 ? [among(provided)] : []),
    ...(notices.length > 0 ? [all([when("e.dialect = 'notice'"), among(notices)])] : []),
    ...nameless.map((failure) => when("(e.type || '') IS NULL AND e.failure = ?", failure)),
    ...disguised,
  ];
  return {
    each: [
      ...provided.map((type) => when("e.type = ?", type)),
      ...notices.map((type) => when("e.type = ? AND e.dialect = 'notice'", type)),
      ...nameless.map((failure) => when("e.type IS NULL AND e.failure = ?", failure)),
      ...disguised,
    ],
    any: others.length === 0 ? when("1 = 0") : any(others),
  };
}
