import type { IncomingMessage } from "node:http";
import type { Config } from "../config/schema.ts";
import { type Gate, whyBroken } from "../platform/http/server.ts";
import { createLimitedLog } from "../platform/log/limited-log.ts";
import type { Ports } from "../ports.ts";
import { type MemoryLimit, readBody } from "./body.ts";
import { writingOf } from "./decode.ts";
import type { Keep } from "./keep-refused.ts";
import { type Source, trustOf } from "./source.ts";

/** The most log lines a minute about requests of allowed senders. */
const LINES = 30;

/** The longest path in the log, in characters. */
const MAX_PATH = 200;

export type Unserved = ReturnType<typeof createUnserved>;

/**
 * Requests that no route serves. Each one of an allowed sender has a line in the log, and its body is kept, so that a wrong
 * URL in the provider's panel loses nothing. All others have one line a minute and kind, with their number.
 */
export function createUnserved(options: {
  config: Config;
  ports: Pick<Ports, "clock" | "log" | "metrics">;
  judge: (request: IncomingMessage) => Source;
  keep: Keep;
  spare: MemoryLimit;
}) {
  const { config, ports, judge, keep, spare } = options;
  const { receive } = config;
  const { clock, log, metrics } = ports;
  const trust = trustOf(config);
  const warn = createLimitedLog(log, clock, { burst: LINES });
  const warnOfStrays = createLimitedLog(log, clock);
  const warnOfUnread = createLimitedLog(log, clock);

  return {
    /** Logs a request to a path, or with a method, that takes no event, and keeps the body of an allowed sender. */
    async report(request: IncomingMessage, reason: "path" | "method"): Promise<void> {
      const { address: from, refusal } = judge(request);
      const { method, url } = request;
      const line = { from, method, path: shownPath(url ?? "", receive), why: reason };
      const takes = `events are taken at POST ${receive.path}${receive.tokens.length > 0 ? "/<token>" : ""}`;
      const isRead = method === "GET" || method === "HEAD";
      if (refusal === "source" && receive.mode === "enforce") {
        if (isRead) return;
        metrics?.refused("stray");
        warnOfStrays("request refused", line);
        return;
      }
      // Where all may send, a GET of another page is not from a sender.
      if (isRead && reason === "path" && trust.isOpen) return;
      metrics?.refused(reason);
      const receivedAt = clock.now();
      const read = await readBody(request, { limit: receive.maxBody, keep: 0, memory: spare, spare });
      const body = read.is === "whole" || read.is === "broken" ? read.body : null;
      const detail = `${method} ${line.path}; ${takes}`;
      const refused = { reason, detail, body, writing: writingOf(request.headers), receivedAt };
      const quarantineId = await keep({ from }, refused);
      const broken = read.is === "broken" ? { broken: whyBroken(request) } : {};
      warn("request refused", { ...line, takes, ...broken, quarantineId });
    },

    /** For the listener: which addresses are trusted, and where it reports requests that reach no route. */
    gate: {
      ...trust,
      async unread({ address: from, why, body }) {
        if (!trust.isTrusted(from) && !trust.isOpen) {
          metrics?.refused("stray");
          warnOfUnread("request refused", { from, why });
          return;
        }
        metrics?.refused("request");
        const quarantineId = await keep(
          { from },
          {
            ...{ reason: "request", detail: why, body, writing: null, receivedAt: clock.now() },
          },
        );
        warn("request refused", { from, why, quarantineId });
      },
    } satisfies Gate,
  };
}

/** A path for the log: without its query, and without what may be a token. */
export function shownPath(url: string, { path, tokens }: Pick<Config["receive"], "path" | "tokens">): string {
  const own = path.toLowerCase().split("/").filter(Boolean);
  const [given = ""] = url.split(/[?#]/, 1);
  let matched = 0;
  const shown = given.split("/").map((part) => {
    if (part === "") return part;
    const isOwn = own.includes(part.toLowerCase());
    // A token follows the whole path; where one is configured it may have been put anywhere.
    const isSecret = matched >= own.length || (tokens.length > 0 && !isOwn);
    if (isOwn) matched++;
    return isSecret ? "…" : part;
  });
  return shown.join("/").slice(0, MAX_PATH);
}
