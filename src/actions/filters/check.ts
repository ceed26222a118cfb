import { RelayError } from "../../errors.ts";
import { DOCUMENTED_TYPES } from "../../model/event.ts";
import { NOTICES } from "../../model/notice.ts";
import { suggest } from "../../rules/nearest.ts";
import { includes, nameOf } from "../../rules/topics.ts";
import type { Store } from "../../store/store.ts";
import { checkEndpoint } from "../endpoints.ts";
import type { Sources } from "../list.ts";
import { typesOf } from "./types.ts";

/**
 * Whether the values of these filters can match anything: RelayError("not_found") for an endpoint that is neither in the
 * config nor holds deliveries, "usage" for a pattern that no type matches; each names the nearest known one.
 */
export async function checkFilters(
  from: Pick<Sources, "store" | "config">,
  { endpoint, type, q }: { endpoint?: string | undefined; type?: string | undefined; q?: string | undefined },
): Promise<void> {
  if (q !== undefined && [...q].length < 3) {
    throw new RelayError("usage", `a part of a title has at least three characters, not "${q}"`);
  }
  if (endpoint !== undefined) await checkEndpoint(from, endpoint);
  const patterns = typesOf(type) ?? [];
  if (patterns.length > 0) await checkTypes(from.store, patterns);
}

async function checkTypes(store: Pick<Store, "eventTypes">, patterns: string[]): Promise<void> {
  const provided: string[] = [...DOCUMENTED_TYPES, "video.failed", "unknown", ...NOTICES];
  const isOf = (known: string[]) => (pattern: string) => known.some((type) => includes(nameOf(pattern), type));
  if (patterns.every(isOf(provided))) return;
  const known = [...new Set([...provided, ...(await store.eventTypes())])];
  const unknown = patterns.find((pattern) => !isOf(known)(pattern));
  if (unknown === undefined) return;
  throw new RelayError("usage", `no event is of type "${unknown}"${suggest(unknown, known)}`);
}
