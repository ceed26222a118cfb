/**
 * The part of migration 7 by which videos are found by a part of their title. The index costs more to write than an event: it is
 * written later, in pieces (titles.ts).
 */
export const TITLES_7 = `
  CREATE VIRTUAL TABLE titles USING fts5(title, content = 'videos', content_rowid = 'id', tokenize = 'trigram');
  -- What is erased leaves the index's pages, too.
  INSERT INTO titles (titles, rank) VALUES ('secure-delete', 1);

  -- Videos whose title has changed since it was indexed; 'indexed': as it was then.
  CREATE TABLE titles_due (video INTEGER PRIMARY KEY, indexed TEXT) STRICT;
  INSERT INTO titles_due (video) SELECT id FROM videos WHERE title IS NOT NULL;
  CREATE TRIGGER videos_titled AFTER INSERT ON videos WHEN new.title IS NOT NULL BEGIN
    INSERT OR IGNORE INTO titles_due (video) VALUES (new.id);
  END;
  CREATE TRIGGER videos_retitled AFTER UPDATE OF title ON videos WHEN new.title IS NOT old.title BEGIN
    INSERT OR IGNORE INTO titles_due (video, indexed) VALUES (new.id, old.title);
  END;
`;
