import { sql, type Tx } from "../tx.ts";

/** The condition of the index by endpoint and state: it holds all deliveries (`d`) but those under way. */
export const LISTED = "d.state NOT IN ('running', 'canceling')";

const NEXT = sql<[string], { endpoint: string | null }>(
  `SELECT min(d.endpoint) AS endpoint FROM deliveries d WHERE d.endpoint > ? AND ${LISTED}`,
);

/** The endpoints that there are deliveries to, each once. */
export async function listedEndpoints(tx: Tx): Promise<string[]> {
  const endpoints: string[] = [];
  for (let next = await tx.get(NEXT, [""]); next?.endpoint != null; next = await tx.get(NEXT, [next.endpoint])) {
    endpoints.push(next.endpoint);
  }
  return endpoints;
}
