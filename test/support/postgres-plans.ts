import type { Query } from "../../src/store/postgres/wire/connection.ts";
import type { Wire } from "../../src/store/postgres/wire/open.ts";

// How PostgreSQL goes through its tables for what stores ask.

/** Statements that stores have sent, each with the values of its last use. */
export type Sent = Map<string, Query["values"]>;

/** A way to a database that notes what goes over it. */
export function noting(wire: Wire, sent: Sent): Wire {
  const note =
    <Answer>(send: (query: Query) => Promise<Answer>) =>
    (query: Query) => {
      sent.set(query.text, query.values);
      return send(query);
    };
  return {
    ...wire,
    query: note(wire.query),
    transaction: (work, how) => wire.transaction((tx) => work({ ...tx, query: note(tx.query) }), how),
  };
}

type Plan = { "Node Type": string; "Relation Name"?: string; Plans?: Plan[] };

/** Tables that hold a few rows, however long a relay runs. */
const SMALL =
  /^(meta|epochs|given_names|counts|endpoints|paces|ids|targets|link_secrets|sessions|alarms|silences|receivers|nodes|tasks|places|archive_parts)$/;

/**
 * The statements for which a table that grows is gone through from its beginning to its end, as table and text. With
 * enable_seqscan off that is only where no index serves.
 */
export async function scans(wire: Wire, sent: Sent): Promise<string[]> {
  const found: string[] = [];
  for (const [text, values] of sent) {
    if (!/^\s*(SELECT|WITH|INSERT|UPDATE|DELETE)\b/.test(text)) continue;
    const { rows } = await wire.query({ name: "", text: `EXPLAIN (FORMAT JSON) ${text}`, values });
    const [{ Plan }] = rows[0]!["QUERY PLAN"] as [{ Plan: Plan }];
    const tables = scanned(Plan).filter((table) => !SMALL.test(table));
    for (const table of new Set(tables)) found.push(`${table}: ${text.replace(/\s+/g, " ")}`);
  }
  return found.sort();
}

function scanned(plan: Plan): string[] {
  const own = plan["Node Type"] === "Seq Scan" ? [plan["Relation Name"]!] : [];
  return [...own, ...(plan.Plans ?? []).flatMap(scanned)];
}
