import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { TestContext } from "node:test";
import type { S3Target } from "../../src/targets/s3/options.ts";
import { listen } from "./listen.ts";
import { s3Target } from "./s3-server.ts";

export type ForgetfulStore = {
  objects: Map<string, Buffer>;
  /** What it makes of bytes that it is given. */
  keep(bytes: Buffer): Buffer;
  /** "GET v1/video.mp4" */
  asked: string[];
};

/** A store that takes `x-amz-meta-*` and never gives it back; as much of S3 as a target asks for. */
export async function openForgetfulStore(
  t: Pick<TestContext, "after">,
): Promise<{ store: ForgetfulStore; config: S3Target }> {
  const store: ForgetfulStore = { objects: new Map(), keep: (bytes) => bytes, asked: [] };
  /** Of the upload that is under way at each name. */
  const uploads = new Map<string, Map<number, Buffer>>();

  function answer(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const url = new URL(request.url!, "http://store");
    const name = url.pathname.replace(/^\/media\/?/, "");
    const query = url.searchParams;
    store.asked.push(`${request.method} ${name}`);
    const keep = (bytes: Buffer) => store.objects.set(name, store.keep(bytes));
    const parts = uploads.get(name);
    if (query.has("uploadId") && parts === undefined) return void response.writeHead(404).end();
    if (request.method === "PUT" && parts !== undefined && query.has("partNumber")) {
      parts.set(Number(query.get("partNumber")), body);
      return void response.writeHead(200, { etag: '"a part"' }).end();
    }
    if (request.method === "PUT") {
      keep(body);
      return void response.writeHead(200).end();
    }
    if (request.method === "POST" && query.has("uploads")) {
      uploads.set(name, new Map());
      const id = "<InitiateMultipartUploadResult><UploadId>one</UploadId></InitiateMultipartUploadResult>";
      return void response.writeHead(200).end(id);
    }
    if (request.method === "POST" && parts !== undefined) {
      uploads.delete(name);
      keep(Buffer.concat([...parts].sort(([one], [other]) => one - other).map(([, bytes]) => bytes)));
      return void response.writeHead(200).end("<CompleteMultipartUploadResult></CompleteMultipartUploadResult>");
    }
    if (query.has("uploads")) {
      const none = "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>";
      return void response.writeHead(200).end(none);
    }
    if (request.method === "DELETE" && query.has("uploadId")) {
      uploads.delete(name);
      return void response.writeHead(204).end();
    }
    if (request.method === "DELETE") {
      store.objects.delete(name);
      return void response.writeHead(204).end();
    }
    const found = store.objects.get(name);
    if (found === undefined) return void response.writeHead(404).end();
    response.writeHead(200, { "content-length": found.length });
    response.end(request.method === "HEAD" ? undefined : found);
  }

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk)).on("end", () => answer(request, response, Buffer.concat(chunks)));
  });
  const { url: endpoint } = await listen(t, server);
  return { store, config: s3Target({ endpoint, region: "us-east-1", prefix: "" }) };
}
