import { RelayError } from "../../../errors.ts";
import { LIMIT, type Numbers } from "./numbers.ts";

/** Names by which ids leave the store. */
export type Prefix = "evt" | "med" | "dlv" | "qrn" | "msg" | "job" | "tgt" | "bak" | "tsk" | "aud" | "alr" | "arc";

/**
 * What a number, or a claim, is called outside of the store. Two databases give the same number whenever they make an id in
 * the same millisecond, so a name ends with a tag of random bits, which each epoch of each database draws anew.
 */
export type Names = {
  /**
   * `evt_`, eleven base-32 digits, and the tag of the epoch in which the id was made; ids of before there were tags have
   * none. Texts sort as their numbers do.
   */
  show(prefix: Prefix, id: number): string;
  /** The number behind a shown id; RelayError("not_found") for anything that is none, and for an id of another database. */
  read(prefix: Prefix, text: string): number;
  /** The same; 0, which no row has, where `read` throws. */
  find(prefix: Prefix, text: string): number;
  /** The token of a job's claim, made from how many claims of the job there were; with the job's id it is never given twice. */
  claim(claims: number): string;
  /** How many claims there were at the one with this token; 0 for a token of another epoch. */
  claimed(token: string): number;
};

export type Ids = Numbers & Names;

/** A life of the store: `tag` ends its ids, whose numbers begin with `first`. */
export type Epoch = { first: number; tag: number };

/** Base-32 digits of a number: milliseconds since 1970 and ten bits more, for a thousand years. */
const DIGITS = 11;

/** A number is written in two parts, the lower one of this number of digits: V8 takes twice as long for a large one. */
const LOW_DIGITS = 6;
const LOW = 32 ** LOW_DIGITS;

/**
 * Base-32 digits of a tag, of 30 bits. Equal tags are one in 2^30 for each pair of epochs whose ids meet: with a hundred
 * epochs (relays, restores) that send to one app, one in 200,000 that any two of them may give the same id.
 */
const TAG_DIGITS = 6;

const FORM = new RegExp(`^[0-9a-v]{${DIGITS}}(?:[0-9a-v]{${TAG_DIGITS}})?$`);

/** `epochs`: the newest first. */
export function createNames(epochs: readonly Epoch[]): Names {
  const tags = epochs.map(({ first, tag }) => ({ first, tag: tag.toString(32).padStart(TAG_DIGITS, "0") }));
  const present = tags[0]?.tag ?? "";

  function tagOf(id: number): string {
    if (id > LIMIT) return "";
    for (const { first, tag } of tags) if (id >= first) return tag;
    return "";
  }

  function find(prefix: Prefix, text: string): number {
    const shown = text.slice(prefix.length + 1);
    if (!text.startsWith(`${prefix}_`) || !FORM.test(shown)) return 0;
    const id = Number.parseInt(shown.slice(0, DIGITS), 32);
    return shown.slice(DIGITS) === tagOf(id) ? id : 0;
  }

  return {
    show(prefix, id) {
      const high = Math.floor(id / LOW).toString(32);
      const low = (id % LOW).toString(32);
      return `${prefix}_${high.padStart(DIGITS - LOW_DIGITS, "0")}${low.padStart(LOW_DIGITS, "0")}${tagOf(id)}`;
    },
    find,
    read(prefix, text) {
      const id = find(prefix, text);
      if (id === 0)
        throw new RelayError(
          "not_found",
          `no ${NOUN[prefix]} ${JSON.stringify(text.slice(0, 80))}${meant(prefix, text)}`,
        );
      return id;
    },
    claim: (claims) => `${claims}_${present}`,
    claimed(token) {
      const [claims, tag] = token.split("_");
      return tag === present ? Number(claims) : 0;
    },
  };
}

/** What an id of something else is of: the two are easily mixed up. */
function meant(prefix: Prefix, text: string): string {
  const other = text.slice(0, text.indexOf("_")) as Prefix;
  return other !== prefix && FORM.test(text.slice(other.length + 1)) && Object.hasOwn(NOUN, other)
    ? `: that is the id of ${NOUN[other] === "event" ? "an" : "a"} ${NOUN[other]}`
    : "";
}

const NOUN: Record<Prefix, string> = {
  evt: "event",
  med: "medium",
  dlv: "delivery",
  qrn: "quarantined body",
  msg: "message",
  job: "job",
  tgt: "target",
  bak: "backup",
  tsk: "task",
  aud: "entry of the audit",
  alr: "alert",
  arc: "part of the archive",
};
