import type { ConfigInput } from "../../../src/config/schema.ts";

export const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

/** What each endpoint asks for; "app" also has all that the defaults say. */
export const ENDPOINTS = [
  { id: "app", events: ["*"] },
  { id: "archive", events: ["*"] },
  { id: "drafts", events: ["draft.*"] },
  { id: "hasty", events: ["video.*"] },
  { id: "moody", events: ["*"] },
  { id: "notices", events: ["relay.media.mirrored", "relay.media.failed", "relay.media.at_risk"] },
];

type Target = NonNullable<NonNullable<ConfigInput["mirror"]>["target"]>;

/** The relay as the crash test runs it: at its defaults, but for what lets it drain quickly. */
export function crashConfig(given: { port: number; appUrl: string; target: Target }): ConfigInput {
  const { port, appUrl, target } = given;
  const retry = Array.from({ length: 60 }, (_, n) => (n < 3 ? `${50 * 2 ** n}ms` : "400ms"));
  const endpoint = (id: string, more: object) => {
    const { events } = ENDPOINTS.find((each) => each.id === id)!;
    return { id, url: `${appUrl}/${id}`, secret: SECRET, events, retry, timeout: "5s", ...more };
  };
  return {
    dataDir: "data",
    server: { listen: `127.0.0.1:${port}`, publicUrl: `http://127.0.0.1:${port}` },
    receive: { allowFrom: ["127.0.0.1"] },
    mirror: {
      allowPrivateAddresses: true,
      minFreeDisk: 0,
      concurrency: 8,
      target,
      onDelete: "delete",
      deleteAfter: "1s",
    },
    endpoints: [
      endpoint("app", {}),
      endpoint("archive", { body: "verbatim", send: "immediately" }),
      endpoint("drafts", { concurrency: 2 }),
      // It waits for no media, and is told afterwards how they ended.
      endpoint("hasty", { maxWait: "30ms" }),
      // Its app goes away for a while, now and then.
      endpoint("moody", { coalesce: ["draft.update"] }),
      endpoint("notices", {}),
    ],
    admin: { listen: "127.0.0.1:0" },
    log: { format: "json" },
  };
}
