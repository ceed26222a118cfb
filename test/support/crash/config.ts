import type { ConfigInput } from "../../../src/config.ts";

export const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

/** What each endpoint asks for; "app" also has all that the defaults say. */
export const ENDPOINTS = [
  { id: "app", events: ["*"] },
  { id: "archive", events: ["*"] },
  { id: "drafts", events: ["draft.*"] },
];

/** The relay as the crash test runs it: at its defaults, but for what lets it drain quickly. */
export function crashConfig(given: { port: number; appUrl: string; mediaDir: string }): ConfigInput {
  const { port, appUrl, mediaDir } = given;
  const retry = Array.from({ length: 60 }, (_, n) => (n < 3 ? `${50 * 2 ** n}ms` : "400ms"));
  const endpoint = (id: string, more: object) => {
    const { events } = ENDPOINTS.find((each) => each.id === id)!;
    return { id, url: `${appUrl}/${id}`, secret: SECRET, events, retry, timeout: "5s", ...more };
  };
  return {
    dataDir: "data",
    server: { listen: `127.0.0.1:${port}`, publicUrl: `http://127.0.0.1:${port}` },
    receive: { allowFrom: ["127.0.0.1"] },
    mirror: { allowPrivateAddresses: true, minFreeDisk: 0, concurrency: 8, target: { type: "local", dir: mediaDir } },
    endpoints: [
      endpoint("app", {}),
      endpoint("archive", { body: "verbatim", send: "immediately" }),
      endpoint("drafts", { concurrency: 2 }),
    ],
    admin: { listen: "127.0.0.1:0" },
    log: { format: "json" },
  };
}
