import type { AttemptJson, DeliveryJson, Link, MediumJson } from "../../actions/json.ts";
import { tellWhen } from "../../actions/times.ts";
import type { Config } from "../../config/schema.ts";
import { parseListen } from "../../config/schema.ts";
import { mediaLink, originOf } from "../../links/durable-link.ts";
import type { Store } from "../../store/store.ts";
import type { Context } from "../command.ts";
import { findPresent } from "../places.ts";
import { type Column, renderTable } from "./table.ts";

/** The columns and sections that several commands show. */

/** Durable addresses of copies as the relay gives them; null where its port is only known to itself. */
export async function openLink(store: Store, { server, mirror }: Config, { hostname }: Context): Promise<Link> {
  const { port } = parseListen(server.listen)!;
  const publicUrl = server.publicUrl ?? (port === 0 ? null : originOf(server, hostname, port));
  const secret = await store.mediaSecret();
  const presentTarget = mirror.publicBaseUrl === null ? null : await findPresent(store, mirror.target);
  return (copy) => mediaLink({ ...mirror, publicUrl, secret, presentTarget }, copy);
}

/** `2026-11-21 21:15:03Z`: as much of a time as people read. */
export function shortTime(iso: string | null): string | null {
  return iso === null ? null : iso.replace("T", " ").replace(/\.\d+Z$/, "Z");
}

const PLURAL = { event: "events", medium: "media", copy: "copies", "refused body": "refused bodies" };

/** "1 copy", "2 copies". */
export function tellCount(many: number, noun: keyof typeof PLURAL): string {
  return `${many} ${many === 1 ? noun : PLURAL[noun]}`;
}

/** States in which the end of the link still matters, or mattered. */
const HANGS_ON_LINK = new Set(["pending", "running", "failed", "expired"]);

/** `now`: deadlines are told as they are seen from there. */
export function mediumColumns(now: number): Column<MediumJson>[] {
  return [
    { title: "ID", value: ({ id }) => id, whole: true },
    { title: "KIND", value: ({ kind }) => kind, whole: true },
    { title: "STATE", value: ({ state }) => state, whole: true },
    {
      title: "LINK DIES",
      value: ({ state, deadline }) => (HANGS_ON_LINK.has(state) ? tellWhen(Date.parse(deadline), now) : null),
      whole: true,
    },
    { title: "BYTES", value: ({ bytes }) => bytes, whole: true },
    { title: "VIDEO", value: ({ videoId }) => videoId, least: 24 },
    { title: "WHERE", value: ({ url, sourceUrl }) => url ?? sourceUrl },
    { title: "ERROR", value: ({ lastError, suspect }) => lastError ?? suspect },
  ];
}

export const deliveryColumns: Column<DeliveryJson>[] = [
  { title: "ID", value: ({ id }) => id, whole: true },
  { title: "EVENT", value: ({ eventId }) => eventId, whole: true },
  { title: "ENDPOINT", value: ({ endpoint }) => endpoint },
  { title: "STATE", value: ({ state }) => state, whole: true },
  { title: "TRIES", value: ({ attempts }) => attempts, whole: true },
  { title: "NEXT", value: ({ nextAttemptAt }) => shortTime(nextAttemptAt), whole: true },
  { title: "ERROR", value: ({ lastError }) => lastError },
];

export const attemptColumns: Column<AttemptJson>[] = [
  { title: "ATTEMPTED", value: ({ startedAt }) => shortTime(startedAt), whole: true },
  { title: "MS", value: ({ duration }) => Math.round(duration), whole: true },
  { title: "STATUS", value: ({ status }) => status, whole: true },
  { title: "ERROR", value: ({ error }) => error },
  { title: "RESPONSE", value: ({ response }) => response?.slice(0, 200) },
];

/** A table below the fields of one thing; nothing when there are no rows. */
export function section<Row>({ stdout, env }: Context, columns: Column<Row>[], rows: Row[]): void {
  if (rows.length === 0) return;
  const style = { columns: stdout.columns, bold: stdout.isTTY && !env.NO_COLOR };
  stdout.write(`\n${renderTable(columns, rows, style)}`);
}
