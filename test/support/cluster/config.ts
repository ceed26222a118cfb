import type { ConfigInput } from "../../../src/config/schema.ts";
import { crashConfig, ENDPOINTS, SECRET } from "../crash/config.ts";

/** The attempts a second of the endpoint that has a rate; and how many of another may be under way at once. */
export const PACE = 8;
export const FEW = 3;

/** What each endpoint asks for. */
export const CLUSTER_ENDPOINTS = [...ENDPOINTS, { id: "paced", events: ["video.ready", "video.failed"] }];

/** Endpoints that wait for no media; and those that get the posted bytes. */
export const HASTY = new Set(["hasty", "moody", "paced"]);
export const VERBATIM = new Set(["archive", "paced"]);

/** The config of each relay: as in the crash test, but for what is a relay's own (`port`), and what is the cluster's. */
export function clusterConfig(given: {
  port: number;
  publicUrl: string;
  appUrl: string;
  target: Parameters<typeof crashConfig>[0]["target"];
  databaseUrl: string;
}): ConfigInput {
  const { port, publicUrl, appUrl, target, databaseUrl } = given;
  const one = crashConfig({ port, appUrl, target });
  const endpoints = one.endpoints!.map((each) => (each.id === "drafts" ? { ...each, concurrency: FEW } : each));
  const paced = { id: "paced", url: `${appUrl}/paced`, secret: SECRET, ratePerSecond: PACE, timeout: "5s" };
  const { events } = CLUSTER_ENDPOINTS.find(({ id }) => id === "paced")!;
  return {
    ...one,
    store: { url: databaseUrl },
    server: { ...one.server, publicUrl, trustedProxies: ["127.0.0.1"] },
    endpoints: [...endpoints, { ...paced, events, body: "verbatim", send: "immediately", retry: endpoints[0]!.retry! }],
  } as ConfigInput;
}
