import type { ConfigInput } from "../../../src/config.ts";

/** What a reload may bring. `text` is written as it stands, and is refused. */
export type Change = { name: string; config: ConfigInput } | { name: string; text: string };

const OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDPHl8C1VyYzE=";

/**
 * Configs in turn, each unlike the one before it, every fifth of them wrong: endpoints change, one more comes and goes,
 * secrets rotate, limits, lists and levels change, and now and then the mirror has to begin anew.
 */
export function changesOf(base: ConfigInput, extraUrl: string): (n: number) => Change {
  const { mirror = {}, receive = {}, endpoints = [], server = {} } = base;
  const secret = String(endpoints[0]!.secret);
  const extra = { ...endpoints[0]!, id: "extra", url: extraUrl };
  const broken = [
    { name: "no JSON", text: `${JSON.stringify(base).slice(0, -1)},}` },
    { name: "an unknown key", text: JSON.stringify({ ...base, endpoint: [] }) },
    { name: "a secret that is not there", text: JSON.stringify(withEndpoints({ secret: { file: "nowhere" } })) },
    { name: "an address that is none", text: JSON.stringify({ ...base, receive: { allowFrom: ["10.0.0.0/99"] } }) },
    { name: "nothing", text: "" },
  ];

  function withEndpoints(more: object, others = endpoints): ConfigInput {
    return { ...base, endpoints: others.map((endpoint) => ({ ...endpoint, ...more })) };
  }

  const good: (Change & { config: ConfigInput })[] = [
    { name: "rotated secrets", config: withEndpoints({ secret: [OTHER_SECRET, secret] }) },
    { name: "one endpoint more", config: { ...base, endpoints: [...endpoints, extra] } },
    { name: "other limits", config: withEndpoints({ concurrency: 3, ratePerSecond: 500, timeout: "4s" }) },
    {
      name: "other senders",
      config: { ...base, receive: { ...receive, allowFrom: ["127.0.0.0/8"], maxBody: "2MiB" } },
    },
    { name: "another mirror", config: { ...base, mirror: { ...mirror, concurrency: 4, linkLifetime: "23h" } } },
    { name: "backups", config: { ...base, backup: { every: "1s", keep: 2 } } },
    { name: "other links", config: { ...base, server: { ...server, trustedProxies: ["192.0.2.0/24"] } } },
    {
      name: "a quieter log",
      config: { ...base, log: { ...base.log, level: "info" }, receive: { ...receive, dedupeWindow: "9m" } },
    },
    { name: "as at the start", config: base },
  ];
  return (n) =>
    n % 5 === 4 ? broken[Math.floor(n / 5) % broken.length]! : good[(n - Math.floor(n / 5)) % good.length]!;
}
