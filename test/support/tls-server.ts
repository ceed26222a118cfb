import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { listen } from "./listen.ts";

const FOLDER = join(import.meta.dirname, "../fixtures/tls/doctor");

/** The authority of these certificates, for $NODE_EXTRA_CA_CERTS. */
export const AUTHORITY = join(FOLDER, "authority.pem");

/** A certificate for localhost, one for other.test, and one that expired in 2020. */
export type Pem = "good" | "other" | "expired";

/** The files of a certificate and of its key. */
export function pemFiles(pem: Pem): { cert: string; key: string } {
  return { cert: join(FOLDER, `${pem}.pem`), key: join(FOLDER, `${pem}-key.pem`) };
}

/** An HTTPS server on a free port of 127.0.0.1; it answers 204 unless told otherwise. */
export async function openTlsServer(
  t: Pick<TestContext, "after">,
  pem: Pem,
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => response.writeHead(204).end(),
): Promise<{ port: number; url: string }> {
  const { cert, key } = pemFiles(pem);
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, answer);
  const { port } = await listen(t, server);
  return { port, url: `https://localhost:${port}` };
}
