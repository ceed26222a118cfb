/** Migration 5: what of a medium happened when. */
export const MEDIA_5 = `
  ALTER TABLE media ADD COLUMN first_tried_at INTEGER;
  ALTER TABLE media ADD COLUMN secured_at INTEGER; -- its bytes were in the spool
  ALTER TABLE media ADD COLUMN settled_at INTEGER;
`;
