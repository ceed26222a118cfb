import type { Visitor } from "../admin/door.ts";
import type { Place } from "../admin/operation.ts";
import { RelayError } from "../errors.ts";
import type { Section, View } from "./parts/frame.ts";
import type { Html } from "./parts/html.ts";
import { type Query, withQuery } from "./parts/links.ts";
import type { NoticeName } from "./parts/notices.ts";
import type { Times } from "./parts/times.ts";
import type { Summary } from "./summary.ts";

// What a page is, and what its forms do. Pages read and act through the actions, as the commands and the API do.

/** What a page is asked with. */
export type Visit = {
  /** What the actions work with. In an act its store enters each change in the audit. */
  place: Place;
  /** The parts of the path that are names, decoded once. */
  path: Record<string, string>;
  /** What stands in the address, without what is empty; of several of one name the last. */
  query: Record<string, string>;
  /** All values of one name. */
  all(name: string): string[];
  times: Times;
  /** How things are, as of a few seconds ago at most. */
  summary(): Promise<Summary>;
  visitor: Visitor;
  can: Visitor["can"];
  /** Of the request, where a page answers with bytes; and the connection, which is cut where they break off. */
  request: Request;
  outgoing: { destroy(): unknown } | undefined;
};

/** For a page that only asks: RelayError("forbidden") for a token that may read only. */
export function requireOperator({ visitor }: Pick<Visit, "visitor">): void {
  if (visitor.can === "read") throw new RelayError("forbidden", `the token "${visitor.name}" may read only`);
}

/** A page. */
export type Page = {
  /** "/events/:id" */
  path: string;
  /** Where it belongs to, on the side; null: nowhere. */
  section: Section | null;
  /**
   * From at most three reads of the store. A RelayError becomes a page that says it. A response is sent as it is: a redirect,
   * or bytes.
   */
  show(visit: Visit): Promise<View | Response>;
};

/** What a form has sent: fields without those that are empty, and all values of one name. */
export type Form = { fields: Record<string, string>; all(name: string): string[] };

/** Done: which page shows it, and what is said there. `n`, `of`: a number, and the id of a delivery, in it. */
export type Done = { to: string; notice: NoticeName; n?: number; of?: string };

/** What a form does: a POST. */
export type Act = {
  /** "/deliveries/:id/retry" */
  path: string;
  /** The page that its form stands on. */
  page(path: Record<string, string>): string;
  /** A view says why it could not be done, with the form filled in. A RelayError becomes a page that leads back. */
  run(visit: Visit, form: Form): Promise<Done | View | Response>;
};

/** Where the result of a form is shown. */
export function addressOf({ to, notice, n, of }: Done): string {
  const [path = "/", search = ""] = to.split("?", 2);
  const query: Query = { ...Object.fromEntries(new URLSearchParams(search)), done: notice, n, of };
  return withQuery(path, query);
}

/** Goes there instead, by GET. */
export const goTo = (path: string): Response =>
  new Response(null, { status: 303, headers: { location: path, "cache-control": "no-store" } });

export type { Html, View };
