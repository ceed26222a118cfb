import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { getCACertificates } from "node:tls";
import {
  S3Client,
  type S3ClientResolvedConfig,
  type ServiceInputTypes,
  type ServiceOutputTypes,
} from "@aws-sdk/client-s3";
import type { Command } from "@smithy/types";
import { readPlainFile } from "../../platform/files/plain-file.ts";
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
  /**
   * Sends a request with a body of `bytes`; `name` is the command's, like "PutObject". Rejects with the signal's reason when it
   * is aborted, else with S3Error. `abort` is for a request that not every abort of `signal` stops.
   */
  send<In extends ServiceInputTypes, Out extends ServiceOutputTypes>(
    name: string,
    command: Command<ServiceInputTypes, In, ServiceOutputTypes, Out, S3ClientResolvedConfig>,
    options?: { signal?: AbortSignal | undefined; abort?: AbortSignal | undefined; bytes?: number },
  ): Promise<Out>;
  /** Waits for an answer of the client. Rejects as `send`. */
  ask<Answer>(name: string, answer: Promise<Answer>, signal?: AbortSignal): Promise<Answer>;
  close(): void;
};

/**
 * The official client with the settings that other stores than Amazon's need: no checksums in trailers, no `Expect:
 * 100-continue`, some region. A request that hangs is an error, which is not the client's default. Connects to nothing
 * yet. Throws the system's error where the authorities' file cannot be read.
 */
export function connect(config: S3Target, patience: Patience = PATIENCE): Connection {
  const { endpoint, credentials, bucket } = config;
  trustSystemStore();
  const ca = config.ca === null ? undefined : [...getCACertificates("default"), readPlainFile(config.ca).toString()];
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
  async function ask<Answer>(name: string, answer: Promise<Answer>, signal?: AbortSignal): Promise<Answer> {
    try {
      return await answer;
    } catch (error) {
      signal?.throwIfAborted();
      throw explain(error, name, config);
    }
  }
  return {
    client,
    bucket,
    ask,
    send(name, command, { signal, abort = signal, bytes } = {}) {
      return ask(name, client.send(command, { ...timeout(bytes), ...(abort && { abortSignal: abort }) }), signal);
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
