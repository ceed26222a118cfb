import { readAuthorities, readPair } from "../platform/http/tls-files.ts";
import type { TlsOptions } from "../platform/net/trust.ts";
import { type CheckContext, readFileOf } from "./check-context.ts";
import type { Path } from "./problems.ts";

type Files = { ca: string | null; cert: string | null; key: string | null };

/**
 * Reads the files of an endpoint's `tls`; null where there is none, and where secrets are not read. A wrong file is a
 * problem. A systemd credential that is readable only for the service is noted, and counts as none.
 */
export function readEndpointTls(endpoint: Path, context: CheckContext): TlsOptions | null {
  const { valueAt, problems } = context;
  const path: Path = [...endpoint, "tls"];
  const files = valueAt<Files | null>(path);
  if (files == null) return null;
  if ((files.cert === null) !== (files.key === null)) {
    const [there, missing] = files.cert === null ? ["key", "cert"] : ["cert", "key"];
    problems.add([...path, missing], `is missing: ${there} is of no use without it`);
    return null;
  }
  if (!context.readsSecrets) return null;
  const read = <Result>(option: keyof Files, read: (file: string) => Result) =>
    readFileOf([...path, option], context, read);
  const [cert, key] = [read("cert", (file) => file), read("key", (file) => file)];
  const pair = cert !== null && key !== null ? read("cert", () => readPair({ cert, key })) : null;
  return {
    ca: read("ca", readAuthorities),
    cert: pair?.cert.toString("latin1") ?? null,
    key: pair?.key.toString("latin1") ?? null,
  };
}
