import { IDENTITY } from "../wire/session.ts";
import { LOCK } from "./locks.ts";

/** The bytes of a medium's copy, while it has one. */
const copyOf = (row: "new" | "old") =>
  `CASE WHEN ${row}.key IS NULL OR ${row}.state IN ('superseded', 'deleted') THEN 0 ELSE coalesce(${row}.bytes, 0) END`;

/** Facts about the store, ids, and what is counted. */
export const NUMBERS = [
  "CREATE TABLE meta (name TEXT PRIMARY KEY, value bytea NOT NULL)",
  // 'server': the one that the present epoch is of; 'names': changes with all that ids are called by (epoch/life.ts).
  `INSERT INTO meta (name, value) VALUES ('epoch', uuid_send(gen_random_uuid())), ('names', uuid_send(gen_random_uuid())),
     ('server', convert_to(${IDENTITY}, 'UTF8'))`,

  // 'tag' ends the ids from 'first' on, up to the next epoch's first (core/rows/ids.ts); sequences are greater than 'number'.
  `CREATE TABLE epochs (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, first int8 NOT NULL, tag int8 NOT NULL, number int8 NOT NULL DEFAULT 0,
    began_at int8                            -- null: with the database
  )`,
  "INSERT INTO epochs (first, tag) VALUES (1, floor(random() * 1073741824))",
  // What an event is called that was acknowledged, lost by a failover and stored again; 0: another event is, and this finds it.
  "CREATE TABLE given_names (name TEXT PRIMARY KEY, event int8 NOT NULL, is_shown int4 NOT NULL)",

  // The last id that was given out. A transaction draws its ids when it has its locks, and no transaction undoes that: so of
  // two that wait for one video's lock the second has the greater ids, in whichever store they are.
  "CREATE SEQUENCE ids MINVALUE 0 START WITH 0",
  // Ids are times, too: 'at' is the least of now. Where no other store has drawn any since the block that ends with 'upto', its
  // rest behind 'used' is given out first; the sequence itself never goes back. The lock is held for a moment only, also within
  // a long transaction. For readers that go by ids (locks.ts) a transaction is under way before a greater id is given out.
  // 'names': what they are called by; a new epoch holds the same lock until it is committed.
  `CREATE FUNCTION take_ids(at int8, size int8, used int8, upto int8, OUT first int8, OUT names bytea) LANGUAGE plpgsql AS $$
    DECLARE
      given int8;
    BEGIN
      PERFORM pg_advisory_lock(${LOCK.ids}, 0);
      SELECT last_value INTO given FROM ids;
      first := greatest(at, 1 + CASE WHEN given = upto THEN used ELSE given END);
      PERFORM pg_advisory_xact_lock(first);
      PERFORM setval('ids', greatest(given, first + size - 1));
      SELECT value INTO names FROM meta WHERE name = 'names';
      PERFORM pg_advisory_unlock(${LOCK.ids}, 0);
    END $$`,

  // A row for each transaction that writes, for a while: where the answer to a COMMIT was lost, it says what became of it.
  "CREATE TABLE receipts (token TEXT PRIMARY KEY, at int8 NOT NULL, is_commit int4 NOT NULL)",
  "CREATE INDEX receipts_at ON receipts (at)",

  // How many rows there are: of events without notices, of videos, and of media that have ended, by kind and state. 'copies':
  // bytes; 'commits': transactions that have written. What is added, and events that go, is counted once for each commit
  // (core/rows/tallies.ts): a transaction finds a row the slower the more often it has changed it.
  "CREATE TABLE counts (name TEXT NOT NULL, slot int4 NOT NULL, value int8 NOT NULL, PRIMARY KEY (name, slot)) WITH (fillfactor = 50)",
  "CREATE VIEW counters AS SELECT name, sum(value)::int8 AS value FROM counts GROUP BY name",
  // A counter has a row for each session: one row for all would be the lock of the whole cluster, and two sessions with the same
  // rows would wait for each other. A session holds the first number that is free, by a lock, until it ends.
  `CREATE FUNCTION counting_slot() RETURNS int4 LANGUAGE plpgsql AS $$
    DECLARE
      slot int4 := nullif(current_setting('relay.slot', true), '');
    BEGIN
      IF slot IS NULL THEN
        slot := 0;
        WHILE NOT pg_try_advisory_lock(${LOCK.slot}, slot) LOOP slot := slot + 1; END LOOP;
        PERFORM set_config('relay.slot', slot::text, false);
      END IF;
      RETURN slot;
    END $$`,
  `CREATE FUNCTION count_rows(of text, by int8) RETURNS void LANGUAGE sql AS $$
    INSERT INTO counts (name, slot, value) VALUES (of, counting_slot(), by)
      ON CONFLICT (name, slot) DO UPDATE SET value = counts.value + excluded.value
  $$`,
  `CREATE FUNCTION media_counted() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF new.state <> old.state AND old.state NOT IN ('pending', 'running') THEN
        PERFORM count_rows(old.kind || '/' || old.state, -1);
      END IF;
      IF new.state <> old.state AND new.state NOT IN ('pending', 'running') THEN
        PERFORM count_rows(new.kind || '/' || new.state, 1);
      END IF;
      IF (${copyOf("new")}) <> (${copyOf("old")}) THEN
        PERFORM count_rows('copies', ${copyOf("new")} - ${copyOf("old")});
      END IF;
      RETURN NULL;
    END $$`,
  `CREATE TRIGGER media_changed AFTER UPDATE OF state, key, bytes ON media FOR EACH ROW
    WHEN (new.state <> old.state OR new.key IS DISTINCT FROM old.key OR new.bytes IS DISTINCT FROM old.bytes)
    EXECUTE FUNCTION media_counted()`,

  // What happened within an hour (store/counts.ts), a row for each that writes. 'ms': how long all of it took; 'times': how much
  // of it took how long (JSON).
  `CREATE TABLE tallies (
    hour int8 NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL, writer TEXT NOT NULL, ok int8 NOT NULL, failed int8 NOT NULL,
    ms int8 NOT NULL, times TEXT NOT NULL, PRIMARY KEY (kind, label, hour, writer)
  ) WITH (fillfactor = 50)`,

  // Which store has claimed a row: the one of this session.
  `CREATE FUNCTION claimed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      new.node := current_setting('relay.node', true);
      RETURN new;
    END $$`,
  ...["media", "deliveries", "transfers", "tasks", "receivers"].map(
    (table) =>
      `CREATE TRIGGER ${table}_claimed BEFORE UPDATE OF claims ON ${table} FOR EACH ROW WHEN (new.claims > old.claims)
        EXECUTE FUNCTION claimed()`,
  ),
  // A file is uploaded by the one that has it. What is copied from another database says whose it is.
  `CREATE TRIGGER transfers_added BEFORE INSERT ON transfers FOR EACH ROW WHEN (new.action = 'upload' AND new.node IS NULL)
    EXECUTE FUNCTION claimed()`,
];
