/** The part of migration 6 that is about deliveries. */
export const DELIVERIES_6 = `
  -- When the first of those may be sent that a probe may be made of before its own time.
  CREATE INDEX deliveries_asked ON deliveries (endpoint, hint)
    WHERE state = 'pending' AND due IS NOT NULL AND failed_by IN ('shared', 'always');
`;
