/** Characters that a text of a tree index has at most: four bytes each, where an entry may have 2.7 kB. */
export const MOST = 500;

/** Texts of others by which rows are found in order. What is longer is nonsense, and must not keep an event out. */
export const CUT = [
  ["events", "type", "BEFORE INSERT"],
  ["deliveries", "type", "BEFORE INSERT"],
  ["deliveries", "last_error", "BEFORE UPDATE OF last_error"],
  ["media", "host", "BEFORE INSERT OR UPDATE OF host"],
] as const;

/** Cuts texts that are too long for an index. */
export const LENGTHS = CUT.flatMap(([table, column, when]) => [
  `CREATE FUNCTION ${table}_${column}_cut() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      new.${column} := left(new.${column}, ${MOST});
      RETURN new;
    END $$`,
  `CREATE TRIGGER ${table}_${column}_cut ${when} ON ${table} FOR EACH ROW WHEN (length(new.${column}) > ${MOST})
    EXECUTE FUNCTION ${table}_${column}_cut()`,
]);
