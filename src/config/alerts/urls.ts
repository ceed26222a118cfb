import { hash } from "node:crypto";
import { RelayError } from "../../errors.ts";
import type { CheckContext } from "../check-context.ts";
import type { Path } from "../problems.ts";
import type { AlertReceiver, AlertsConfig } from "../schema.ts";

/** The URLs that were read; null: it was not. */
export type AlertUrls = { to: (string | null)[]; heartbeat: string | null };

type Given = {
  to: Pick<AlertReceiver, "format" | "atLeast">[];
  heartbeat: { every: number } | null;
};

/** Reads the addresses of receivers, each of which is there once, and of the heartbeat. */
export function readAlertUrls(
  { valueAt, problems }: Pick<CheckContext, "valueAt" | "problems">,
  read: (path: Path, check: (text: string) => string) => string | null,
): AlertUrls {
  const to = valueAt<unknown[]>(["alerts", "to"]) ?? [];
  const urls = (Array.isArray(to) ? to : []).map((_, at) => read(["alerts", "to", at, "url"], checkUrl));
  for (const [at, url] of urls.entries()) {
    const first = urls.indexOf(url);
    if (url !== null && first < at) problems.add(["alerts", "to", at, "url"], `is that of alerts.to[${first}] already`);
  }
  return { to: urls, heartbeat: read(["alerts", "heartbeat", "url"], checkUrl) };
}

/** RelayError("config") that does not quote it. */
function checkUrl(url: string): string {
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw new RelayError("config", "must be an http:// or https:// URL");
}

/** Without those whose URL was not read. */
export function buildAlerts({ to, heartbeat }: Given, urls: AlertUrls): AlertsConfig {
  return {
    to: to.flatMap(({ format, atLeast }, at) => {
      const url = urls.to[at];
      return url == null ? [] : [{ id: `${format}-${hash("sha256", url).slice(0, 8)}`, url, format, atLeast }];
    }),
    heartbeat: heartbeat && urls.heartbeat !== null ? { url: urls.heartbeat, every: heartbeat.every } : null,
  };
}
