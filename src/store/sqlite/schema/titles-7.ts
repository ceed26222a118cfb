import { LIMIT } from "../../core/rows/numbers.ts";

/**
 * The part of migration 7 by which videos are found by a part of their title. The index costs more to write than an event: it is
 * written later, in pieces (titles.ts).
 */
export const TITLES_7 = `
  CREATE VIRTUAL TABLE titles USING fts5(title, content = 'videos', content_rowid = 'id', tokenize = 'trigram');
  -- What is erased leaves the index's pages, too.
  INSERT INTO titles (titles, rank) VALUES ('secure-delete', 1);

  -- Up to this video all are indexed; newer ones are found by their ids: a row for each would cost more.
  CREATE TABLE titles_reached (video INTEGER NOT NULL) STRICT;
  INSERT INTO titles_reached (video) VALUES (0);

  -- Videos up to there whose title has changed since it was indexed; 'indexed': as it was then. And those beyond LIMIT.
  CREATE TABLE titles_due (video INTEGER PRIMARY KEY, indexed TEXT) STRICT;
  INSERT INTO titles_due (video) SELECT id FROM videos WHERE id > ${LIMIT} AND title IS NOT NULL;
  CREATE TRIGGER videos_retitled AFTER UPDATE OF title ON videos
    WHEN new.title IS NOT old.title AND (new.id <= (SELECT video FROM titles_reached) OR new.id > ${LIMIT}) BEGIN
    INSERT OR IGNORE INTO titles_due (video, indexed) VALUES (new.id, old.title);
  END;
`;
