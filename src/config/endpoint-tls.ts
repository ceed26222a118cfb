import { resolve } from "node:path";
import { errorLine } from "../errors.ts";
import { readAuthorities, readPair } from "../platform/http/tls-files.ts";
import type { TlsOptions } from "../platform/net/trust.ts";
import type { CheckContext } from "./check-context.ts";
import type { Path } from "./problems.ts";
import { isOutOfSight } from "./secrets.ts";

type Files = { ca: string | null; cert: string | null; key: string | null };

/**
 * Reads the files of an endpoint's `tls`; null where there is none, and where secrets are not read. A wrong file is a
 * problem. A systemd credential that is readable only for the service is noted, and counts as none.
 */
export function readEndpointTls(endpoint: Path, context: CheckContext): TlsOptions | null {
  const { valueAt, problems, folder, outside } = context;
  const path: Path = [...endpoint, "tls"];
  const files = valueAt<Files | null>(path);
  if (files == null) return null;
  if ((files.cert === null) !== (files.key === null)) {
    const [there, missing] = files.cert === null ? ["key", "cert"] : ["cert", "key"];
    problems.add([...path, missing], `is missing: ${there} is of no use without it`);
    return null;
  }
  if (!context.readsSecrets) return null;

  const fileOf = (option: keyof Files) => {
    const file = files[option] && resolve(folder, files[option]);
    if (!file || !isOutOfSight(file, outside)) return file;
    context.noteUnseen([...path, option], file);
    return null;
  };
  const tls: TlsOptions = { ca: null, cert: null, key: null };
  const [ca, cert, key] = [fileOf("ca"), fileOf("cert"), fileOf("key")];
  const read = (option: keyof Files, run: () => void) => {
    try {
      run();
    } catch (error) {
      problems.add([...path, option], errorLine(error));
    }
  };
  if (ca) read("ca", () => (tls.ca = readAuthorities(ca)));
  if (cert && key) {
    read("cert", () => {
      const pair = readPair({ cert, key });
      Object.assign(tls, { cert: pair.cert.toString("latin1"), key: pair.key.toString("latin1") });
    });
  }
  return tls;
}
