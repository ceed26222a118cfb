import type { ConfigInput } from "../../../src/config/schema.ts";
import type { Certificates } from "./certificates.ts";

/** What a reload may bring. */
export type Change = {
  name: string;
  /** The config file, and the files that it names as `server.tls`. */
  text: string;
  cert: string;
  key: string;
  isRefused: boolean;
  /** Fingerprint of the certificate that it asks for. */
  shown: string;
};

const OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDPHl8C1VyYzE=";

/**
 * Configs in turn, each unlike the one before it, every fifth of them wrong: endpoints change, one more comes and goes,
 * secrets rotate, limits, lists and levels change, and now and then the mirror has to begin anew. With each the certificate
 * is renewed in its files, also with those that are refused: then the one before holds.
 */
export function changesOf(base: ConfigInput, extraUrl: string, certificates: Certificates): (n: number) => Change {
  const { mirror = {}, receive = {}, endpoints = [], server = {} } = base;
  const secret = String(endpoints[0]!.secret);
  const extra = { ...endpoints[0]!, id: "extra", url: extraUrl };

  function withEndpoints(more: object, others = endpoints): ConfigInput {
    return { ...base, endpoints: others.map((endpoint) => ({ ...endpoint, ...more })) };
  }

  /** `cert`, `key`: what is in these files instead of the renewed pair. */
  const broken: { name: string; text: string; cert?: string; key?: string }[] = [
    { name: "a key of another certificate", text: JSON.stringify(base), key: certificates.other.key },
    { name: "no JSON", text: `${JSON.stringify(base).slice(0, -1)},}` },
    { name: "half a certificate", text: JSON.stringify(base), cert: certificates.other.cert.slice(0, 300) },
    { name: "an unknown key", text: JSON.stringify({ ...base, endpoint: [] }) },
    { name: "a secret that is not there", text: JSON.stringify(withEndpoints({ secret: { file: "nowhere" } })) },
    { name: "an address that is none", text: JSON.stringify({ ...base, receive: { allowFrom: ["10.0.0.0/99"] } }) },
    { name: "nothing", text: "" },
  ];

  const good: { name: string; config: ConfigInput; shown?: string }[] = [
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
    {
      name: "a certificate in other files",
      config: { ...base, server: { ...server, tls: certificates.other.files } },
      shown: certificates.other.fingerprint,
    },
    { name: "as at the start", config: base },
  ];
  return (n) => {
    const before = Math.floor(n / 5);
    // Good ones are counted, so that also what is refused comes with another certificate than the one that holds.
    const renewed = certificates.renewed[(n - before + 1) % 2]!;
    const pair = { cert: renewed.cert, key: renewed.key, shown: renewed.fingerprint };
    if (n % 5 === 4) return { ...pair, ...broken[before % broken.length]!, isRefused: true };
    const { config, ...rest } = good[(n - before) % good.length]!;
    return { ...pair, ...rest, text: JSON.stringify(config), isRefused: false };
  };
}
