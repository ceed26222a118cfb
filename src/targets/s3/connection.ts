import { readFileSync } from "node:fs";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { getCACertificates } from "node:tls";
import { S3Client } from "@aws-sdk/client-s3";
import { errorLine, RelayError } from "../../errors.ts";
import { trustSystemStore } from "../../platform/net/trust.ts";
import { explain } from "./errors.ts";
import type { S3Target } from "./options.ts";

/** Milliseconds: to connect; for a connection on which nothing moves; and how often a request is made at most. */
export type Patience = { connect: number; silence: number; attempts: number };

export const PATIENCE: Patience = { connect: 5_000, silence: 30_000, attempts: 3 };

/** Slower than this, in bytes per millisecond, a request is given up: it moves, but leads nowhere. */
const SLOWEST = 16;

/** Where an endpoint is set and nobody names a region: most stores take any, and R2 takes this one for its `auto`. */
const ANY_REGION = "us-east-1";

export type Connection = {
  client: S3Client;
  bucket: string;
  /** How long a request with a body of so many bytes may take, for `send`. Milliseconds. */
  timeout(bytes?: number): { requestTimeout: number };
  /** Waits for an answer of the client. Rejects with the signal's reason once that is aborted, else with S3Error. */
  ask<Answer>(command: string, answer: Promise<Answer>, signal?: AbortSignal): Promise<Answer>;
  close(): void;
};

/**
 * The official client, told what stores other than Amazon's need to have told: no checksums in trailers, no
 * `Expect: 100-continue`, a region of some kind; and that a request that hangs is an error, which is not its default.
 * Connects to nothing yet. Throws RelayError("config") where the file with the authorities cannot be read.
 */
export function connect(config: S3Target, patience: Patience = PATIENCE): Connection {
  const { endpoint, credentials, bucket } = config;
  trustSystemStore();
  const ca = config.ca === null ? undefined : [...getCACertificates("default"), readAuthorities(config.ca)];
  const timeout = (bytes = 0) => ({ requestTimeout: patience.silence * 2 + bytes / SLOWEST });
  const client = new S3Client({
    ...(endpoint === null ? {} : { endpoint }),
    region: config.region ?? (endpoint === null ? undefined : foundRegion(ANY_REGION)),
    // Copies: the client writes into what it is given.
    ...(credentials && { credentials: { ...credentials, sessionToken: credentials.sessionToken ?? undefined } }),
    forcePathStyle: config.pathStyle,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    expectContinueHeader: false,
    retryMode: "standard",
    maxAttempts: patience.attempts,
    requestHandler: {
      connectionTimeout: patience.connect,
      socketTimeout: patience.silence,
      requestTimeout: timeout().requestTimeout,
      throwOnRequestTimeout: true,
      // As many as there are requests: the pool of buffers bounds them, and a queue here would eat up their timeouts.
      httpAgent: new HttpAgent({ keepAlive: true }),
      httpsAgent: new HttpsAgent({ keepAlive: true, ca }),
    },
  });
  return {
    client,
    bucket,
    timeout,
    async ask(command, answer, signal) {
      try {
        return await answer;
      } catch (error) {
        signal?.throwIfAborted();
        throw explain(error, command, config);
      }
    },
    close: () => client.destroy(),
  };
}

/** The region that the environment or the shared files name, else this one. */
function foundRegion(otherwise: string): () => Promise<string> {
  let found: Promise<string> | undefined;
  // Asked for with every request; a client of its own is what knows where to look.
  return () => {
    found ??= new S3Client({}).config.region().catch(() => otherwise);
    return found;
  };
}

function readAuthorities(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new RelayError("config", `mirror.target.ca: cannot read ${file}: ${errorLine(error)}`);
  }
}
