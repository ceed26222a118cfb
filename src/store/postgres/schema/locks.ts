/**
 * The first number of the advisory locks, by what they lock. The ids that transactions draw are locked by one number each, and
 * so are in the way of none of these.
 */
export const LOCK = {
  migration: 2004446329,
  ids: 2004446330,
  endpoint: 2004446331,
  program: 2004446332,
  newVideo: 2004446333,
  apart: 2004446334,
  all: 2004446335,
  slot: 2004446336,
} as const;

/** How transactions lock what several of them may be about (locks.ts). */
export const LOCKS = [
  // Until the transaction ends no other one is at these videos. One that is new has no row: its name is locked then. Statements
  // within see what was committed before them.
  `CREATE FUNCTION hold_videos(names text[]) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
      name text;
    BEGIN
      FOREACH name IN ARRAY names LOOP
        PERFORM 1 FROM videos WHERE video_id = name FOR UPDATE;
        IF NOT FOUND THEN
          PERFORM pg_advisory_xact_lock(${LOCK.newVideo}, hashtext(name));
          PERFORM 1 FROM videos WHERE video_id = name FOR UPDATE;
        END IF;
      END LOOP;
    END $$`,
];
