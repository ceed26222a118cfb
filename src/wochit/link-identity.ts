import { isUrl } from "./address.ts";

/** Parameters that are always a signature's: those of AWS Signature v4 and Google V4. */
const OWN_PREFIX = /^x-(?:amz|goog)-/;

/**
 * Signature schemes whose parameters have common names: they are a signature's only beside all `marks` of the scheme, and at
 * least one of `oneOf`.
 */
const SCHEMES: { marks: string[]; oneOf?: string[]; names: Set<string> }[] = [
  // AWS Signature v2 (its x-amz-security-token is covered by the prefix).
  { marks: ["awsaccesskeyid", "signature"], names: new Set(["awsaccesskeyid", "signature", "expires"]) },
  // CloudFront, with a canned policy (Expires) or a custom one (Policy).
  {
    marks: ["key-pair-id", "signature"],
    names: new Set(["key-pair-id", "signature", "expires", "policy", "hash-algorithm"]),
  },
  // Google Cloud Storage V2, and Cloud CDN.
  { marks: ["googleaccessid", "signature"], names: new Set(["googleaccessid", "signature", "expires"]) },
  { marks: ["keyname", "signature", "expires"], names: new Set(["urlprefix", "keyname", "signature", "expires"]) },
  // Azure shared access signatures: account, service and user delegation.
  {
    marks: ["sig"],
    oneOf: ["sv", "se"],
    names: new Set(
      "sv ss srt sp se st spr sig sr si skoid sktid skt ske sks skv sip sdd saoid suoid scid ses".split(" "),
    ),
  },
];

/**
 * The link without its signature parameters and its fragment; equal for two links of the same file. The other parameters keep
 * their order and characters. Text that is no URL is returned unchanged. Runs for every link received.
 */
export function identityOf(url: string): string {
  const hash = url.indexOf("#");
  const query = url.indexOf("?");
  if (hash === -1 && query === -1) return url;
  if (!isUrl(url)) return url;
  const link = hash === -1 ? url : url.slice(0, hash);
  if (query === -1 || (hash !== -1 && hash < query)) return link;
  const parameters = link.slice(query + 1).split("&");
  const names = parameters.map(nameOf);
  const schemes = SCHEMES.filter((scheme) => isUsed(scheme, names));
  const kept = parameters.filter((_, index) => {
    const name = names[index]!;
    return !OWN_PREFIX.test(name) && !schemes.some((scheme) => scheme.names.has(name));
  });
  if (kept.length === parameters.length) return link;
  return kept.length === 0 ? link.slice(0, query) : `${link.slice(0, query + 1)}${kept.join("&")}`;
}

export function nameOf(parameter: string): string {
  const equals = parameter.indexOf("=");
  return (equals === -1 ? parameter : parameter.slice(0, equals)).toLowerCase();
}

function isUsed({ marks, oneOf }: (typeof SCHEMES)[number], names: string[]): boolean {
  return marks.every((mark) => names.includes(mark)) && (!oneOf || oneOf.some((name) => names.includes(name)));
}
