import { readFileSync } from "node:fs";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { getCACertificates } from "node:tls";
import { S3Client } from "@aws-sdk/client-s3";
import { errorLine, RelayError } from "../../errors.ts";
import { trustSystemStore } from "../../platform/net/trust.ts";
import { explain } from "./errors.ts";
import type { S3Target } from "./options.ts";

/** Milliseconds to connect, and for a connection without traffic; attempts of a request in total. */
export type Patience = { connect: number; silence: number; attempts: number };

export const PATIENCE: Patience = { connect: 5_000, silence: 30_000, attempts: 3 };

/** Bytes per millisecond below which a request is given up. */
const SLOWEST = 16;

/**
 * The region where an endpoint is set and none is configured: most stores accept any, and R2 maps this one to `auto`.
 */
const ANY_REGION = "us-east-1";

export type Connection = {
  client: S3Client;
  bucket: string;
  /** The time limit of a request with a body of `bytes`, in milliseconds, as an option of `send`. */
  timeout(bytes?: number): { requestTimeout: number };
  /** Waits for the client's answer. Rejects with the signal's reason when it is aborted, else with S3Error. */
  ask<Answer>(command: string, answer: Promise<Answer>, signal?: AbortSignal): Promise<Answer>;
  close(): void;
};

/**
 * The official client with the settings that other stores than Amazon's need: no checksums in trailers, no `Expect:
 * 100-continue`, some region. A request that hangs is an error, which is not the client's default. Connects to nothing
 * yet. Throws RelayError("config") where the authorities' file cannot be read.
 */
export function connect(config: S3Target, patience: Patience = PATIENCE): Connection {
  const { endpoint, credentials, bucket } = config;
  trustSystemStore();
  const ca = config.ca === null ? undefined : [...getCACertificates("default"), readAuthorities(config.ca)];
  const timeout = (bytes = 0) => ({ requestTimeout: patience.silence * 2 + bytes / SLOWEST });
  const client = new S3Client({
    ...(endpoint === null ? {} : { endpoint }),
    region: config.region ?? (endpoint === null ? undefined : foundRegion(ANY_REGION)),
    // A copy: the client writes into it.
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
      // Unlimited sockets: the buffer pool bounds the requests, and time in a queue here would count against their
      // limits.
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

/** The region from the environment or the shared files, else this one. */
function foundRegion(otherwise: string): () => Promise<string> {
  let found: Promise<string> | undefined;
  // Called for every request. A client of its own finds the region.
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
