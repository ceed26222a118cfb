/** The part of migration 4 that is about deliveries. */
export const DELIVERIES_4 = `
  -- From now on 'gone' is the video for which an endpoint last answered 410; it was a count.
  UPDATE endpoints SET gone = 0;
  -- From now on 'gate_until' is null once the gate has opened.
  UPDATE deliveries SET gate_until = NULL
    WHERE gate_until IS NOT NULL AND (state IN ('pending', 'running', 'dead') OR state = 'canceled' AND attempts > 0);
  -- From now on a lane in which one has stepped aside has a row; that one was aside said it.
  INSERT OR IGNORE INTO meta (name, value) SELECT DISTINCT 'hasty/' || video || '/' || endpoint, x'' FROM deliveries
    WHERE settled_at IS NULL AND ordered = 1 AND aside = 1;

  -- What finds the head of a lane, those aside whose turn comes, and what runs, however many of the lane wait.
  DROP INDEX deliveries_aside;
  CREATE INDEX deliveries_head ON deliveries (video, endpoint) WHERE settled_at IS NULL AND ordered = 1 AND aside = 0;
  CREATE INDEX deliveries_passed ON deliveries (video, endpoint)
    WHERE settled_at IS NULL AND ordered = 1 AND aside = 1 AND due IS NULL;
  CREATE INDEX deliveries_running ON deliveries (video, endpoint) WHERE state IN ('running', 'canceling');
`;
