import type { Readable } from "node:stream";

/** Outbound HTTP, guarded: the only way out of the program. */
export type Outbound = {
  /**
   * One request, no redirect followed. Rejects with RefusedAddress when the host is, or resolves to, an address that
   * is not allowed, with any other error when the network fails. The caller must consume or destroy `body`.
   */
  request(
    url: URL,
    options: {
      method: "GET" | "HEAD" | "POST";
      headers: Record<string, string>;
      body?: Uint8Array;
      signal: AbortSignal;
      /** Milliseconds until the response's head, and between two chunks of its body. */
      headersTimeout: number;
      bodyTimeout: number;
    },
  ): Promise<{ status: number; headers: Record<string, string | string[] | undefined>; body: Readable }>;
  close(): Promise<void>;
};
