import { createServer } from "node:http";
import type { TestContext } from "node:test";
import { listen } from "./listen.ts";

const KEYS = { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "a-secret-of-the-tests" };

/** A store of objects as far as small copies need one: PUT, HEAD, and GET with ranges. It believes every signature. */
export async function openTinyBucket(t: TestContext) {
  const objects = new Map<string, { bytes: Buffer; headers: Record<string, string> }>();
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url!, "http://bucket.test");
    if (request.method === "PUT") {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const kept = Object.entries(request.headers).filter(
        ([name]) => name === "content-type" || name.startsWith("x-amz-meta-"),
      );
      objects.set(pathname, {
        bytes: Buffer.concat(chunks),
        headers: Object.fromEntries(kept) as Record<string, string>,
      });
      response.setHeader("etag", '"one"').end();
      return;
    }
    if (searchParams.has("uploads")) {
      response.end('<?xml version="1.0"?><ListMultipartUploadsResult></ListMultipartUploadsResult>');
      return;
    }
    const found = objects.get(pathname);
    if (found === undefined) {
      response.writeHead(404).end();
      return;
    }
    const { bytes, headers } = found;
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const [start, end] = [Number(from ?? 0), to ? Number(to) : bytes.length - 1];
    const range = from === undefined ? {} : { "content-range": `bytes ${start}-${end}/${bytes.length}` };
    response.writeHead(from === undefined ? 200 : 206, {
      ...headers,
      ...range,
      "content-length": end - start + 1,
      "accept-ranges": "bytes",
    });
    response.end(request.method === "HEAD" ? undefined : bytes.subarray(start, end + 1));
  });
  const { url } = await listen(t, server);
  return { url, objects, target: { type: "s3" as const, bucket: "media", endpoint: url, pathStyle: true, ...KEYS } };
}
