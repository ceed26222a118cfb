/** By which videos are found by a part of their title (titles.ts). */
export const TITLES = [
  // 'folded': in lower case, as the program makes it.
  "CREATE TABLE titles (video int8 PRIMARY KEY, folded TEXT NOT NULL)",
  // Where the extension is there and may be created; else all titles are looked through.
  `DO $$
    BEGIN
      CREATE EXTENSION IF NOT EXISTS pg_trgm;
      CREATE INDEX titles_folded ON titles USING gin (folded gin_trgm_ops);
    EXCEPTION WHEN undefined_file OR feature_not_supported OR insufficient_privilege OR undefined_object THEN NULL;
    END $$`,

  // Videos whose title has changed since it was written there.
  "CREATE TABLE titles_due (video int8 PRIMARY KEY)",
  `CREATE FUNCTION title_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO titles_due (video) VALUES (new.id) ON CONFLICT DO NOTHING;
      RETURN NULL;
    END $$`,
  `CREATE FUNCTION titles_added() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO titles_due (video) SELECT id FROM added WHERE title IS NOT NULL ON CONFLICT DO NOTHING;
      RETURN NULL;
    END $$`,
  // Many are added at once.
  `CREATE TRIGGER videos_titled AFTER INSERT ON videos REFERENCING NEW TABLE AS added FOR EACH STATEMENT
    EXECUTE FUNCTION titles_added()`,
  `CREATE TRIGGER videos_retitled AFTER UPDATE OF title ON videos FOR EACH ROW WHEN (new.title IS DISTINCT FROM old.title)
    EXECUTE FUNCTION title_changed()`,
];
