/** The part of migration 7 that is about traces. */
export const TRACE_7 = `
  ALTER TABLE annotations ADD COLUMN trace TEXT; -- traceparent and tracestate of its request, a line each (model/trace.ts)
`;
