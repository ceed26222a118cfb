import { isUtf8 } from "node:buffer";
import { RelayError } from "../errors.ts";
import type { Store } from "../store/store.ts";
import { shortTime } from "./format.ts";
import { quarantinedJson } from "./json.ts";
import { list, walk } from "./list.ts";

export const quarantine = list({
  filters: {
    reason: {
      words: ["invalid_json", "invalid_event", "source", "token", "size", "path", "method", "broken", "request"],
      help: "only refused for this reason",
    },
    source: { option: "from", value: "ADDRESS", help: "only from this address" },
    videoId: { value: "ID", help: "only what names this video" },
    context: { help: "only what names this videoContext" },
  },
  rows: ({ store }, query) => walk((page) => store.quarantined(page), query, quarantinedJson),
  total: ({ store }, filter) => store.countListed({ list: "quarantine", filter }),
  columns: [
    { title: "ID", value: ({ id }) => id, whole: true },
    { title: "RECEIVED", value: ({ receivedAt }) => shortTime(receivedAt), whole: true },
    { title: "FROM", value: ({ sourceAddress }) => sourceAddress, whole: true },
    { title: "REASON", value: ({ reason }) => reason, whole: true },
    { title: "BYTES", value: ({ bytes }) => bytes, whole: true },
    { title: "TYPE", value: ({ type }) => type },
    { title: "VIDEO", value: ({ videoId }) => videoId, least: 24 },
  ],
});

/** RelayError("not_found") of what no event named: it says so where a refused request did. */
export async function missingBut(
  store: Pick<Store, "countListed">,
  error: RelayError,
  of: { videoId: string } | { context: string },
): Promise<RelayError> {
  const { count, isMore } = await store.countListed({ list: "quarantine", filter: of });
  if (count === 0) return error;
  const many = count === 1 ? "1 request" : `${count}${isMore ? "+" : ""} requests`;
  const [[name, value]] = Object.entries(of) as [[string, string]];
  const option = name === "videoId" ? "--video-id" : "--context";
  const command = `wochit-relay quarantine list ${option} ${JSON.stringify(value)}`;
  return new RelayError(
    error.code,
    `${error.message}, but ${many} about it ${count === 1 ? "was" : "were"} refused: ${command}`,
  );
}

/** One refused request and its bytes: `body` as text where they are UTF-8, else `bodyBase64`. */
export async function showQuarantined(store: Store, id: string) {
  const kept = await store.quarantinedBody(id);
  return { ...quarantinedJson(kept), ...bodyJson(kept.body) };
}

function bodyJson(bytes: Uint8Array): { body: string | null; bodyBase64: string | null } {
  const buffer = Buffer.from(bytes);
  return isUtf8(bytes)
    ? { body: buffer.toString(), bodyBase64: null }
    : { body: null, bodyBase64: buffer.toString("base64") };
}

/** What `receive` does with a body: parses the bytes, stores the event and all that follows from it. */
export type AcceptBytes = (
  bytes: Uint8Array,
  sourceAddress: string,
  receivedAt: number,
  how: { late: boolean },
) => Promise<{ id: string; status: "accepted" | "duplicate" }>;

export type Reprocessed = { quarantineId: string; id: string; status: "accepted" | "duplicate" };

/**
 * Takes a refused body in as if its sender had been allowed: it becomes an event and leaves the quarantine. A body that
 * is no event stays in quarantine, and RelayError "invalid_json" or "invalid_event" says why.
 */
export async function reprocess(store: Store, accept: AcceptBytes, quarantineId: string): Promise<Reprocessed> {
  const { body, sourceAddress, receivedAt } = await store.quarantinedBody(quarantineId);
  const { id, status } = await accept(body, sourceAddress, receivedAt, { late: true });
  await store.dropQuarantined(quarantineId, id);
  return { quarantineId, id, status };
}
