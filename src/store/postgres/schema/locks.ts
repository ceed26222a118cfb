/**
 * The first number of the advisory locks, by what they lock. The ids that transactions draw are locked by one number each, and
 * so are in the way of none of these.
 */
export const LOCK = {
  migration: 2004446329,
  ids: 2004446330,
  endpoint: 2004446331,
  program: 2004446332,
  video: 2004446333,
  apart: 2004446334,
  all: 2004446335,
  slot: 2004446336,
} as const;

/** How transactions lock what several of them may be about (locks.ts). */
export const LOCKS = [
  // Until the transaction ends no other one is at these videos: by their names, since one that is new has no row; and by their
  // rows, which claims hold. All names come before all rows: who waits for a row waits for a claim, which waits for nothing.
  // Statements within see what was committed before them.
  `CREATE FUNCTION hold_videos(names text[]) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_advisory_xact_lock(${LOCK.video}, one.hash)
        FROM (SELECT DISTINCT hashtext(name) AS hash FROM unnest(names) AS name ORDER BY hash) AS one;
      PERFORM 1 FROM videos WHERE video_id = ANY(names) ORDER BY video_id FOR UPDATE;
    END $$`,
];
