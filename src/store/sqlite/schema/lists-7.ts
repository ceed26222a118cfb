/** The part of migration 7 that answers lists, filters and counts, however much is stored. */
export const LISTS_7 = `
  -- The provider's events among notices; events of a type; of a context, their own or the one that they were given.
  CREATE INDEX events_received ON events (id) WHERE dialect <> 'notice';
  CREATE INDEX events_type ON events (type);
  CREATE INDEX events_disguised ON events (id) 
    WHERE dialect <> 'notice' AND type || '' >= 'relay.' AND type || '' < 'relay/';
  CREATE INDEX events_context ON events (context) WHERE context IS NOT NULL;
  CREATE INDEX annotations_given ON annotations (context) WHERE context IS NOT NULL;
  -- Events whose context became known after they were accepted.
  DROP INDEX annotations_context;
  CREATE INDEX annotations_found ON annotations (event) WHERE context_at IS NOT NULL;

  -- Deliveries by state, but for those under way (deliveries_running); by what they failed with, and when they were last
  -- attempted; what is dead, by event.
  CREATE INDEX deliveries_listed ON deliveries (endpoint, state) WHERE state NOT IN ('running', 'canceling');
  CREATE INDEX deliveries_failed ON deliveries (state, endpoint, last_error) WHERE last_error IS NOT NULL;
  CREATE INDEX deliveries_last_tried ON deliveries (state, endpoint, coalesce(tried_at, settled_at)) WHERE last_error IS NOT NULL;
  DROP INDEX deliveries_dead;
  CREATE INDEX deliveries_dead ON deliveries (event, endpoint) WHERE state = 'dead';
  -- Replays of an endpoint, in order of their making, and by state in order of their events; those that have not ended.
  CREATE INDEX deliveries_again ON deliveries (endpoint) WHERE replay > 0;
  CREATE INDEX deliveries_replayed ON deliveries (endpoint, state, event) WHERE replay > 0;
  CREATE INDEX deliveries_replaying ON deliveries (event) WHERE replay > 0 AND settled_at IS NULL;

  CREATE INDEX media_state ON media (state, kind);
  -- What is downloaded when mirroring is on again: not by the index of all that is mirrored.
  DROP INDEX media_off;
  CREATE INDEX media_off ON media (id) WHERE last_error = 'mirroring is off' AND state || '' IN ('skipped', 'mirrored');
  CREATE INDEX media_suspect ON media (id) WHERE suspect IS NOT NULL;
  CREATE INDEX media_superseded ON media (video) WHERE state = 'superseded';
  -- What is not secured yet, the nearest deadline first.
  CREATE INDEX media_deadline ON media (deadline)
    WHERE state || '' IN ('pending', 'running') AND key IS NULL AND spooled IS NULL;

  CREATE INDEX videos_state ON videos (state);
  DROP INDEX past_contexts_context;
  CREATE INDEX past_contexts_context ON past_contexts (context, video);

  -- What a refused body says of itself, where it reads as an event; null in rows of before.
  ALTER TABLE quarantine ADD COLUMN video_id TEXT;
  ALTER TABLE quarantine ADD COLUMN type TEXT;
  ALTER TABLE quarantine ADD COLUMN context TEXT;
`;
