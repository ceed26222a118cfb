import { createHash } from "node:crypto";

/** Foreign bytes, to be saved: no browser may guess what they are. `name`: of the file, an id. */
export function bytesAnswer(bytes: Uint8Array, name: string): Response {
  const etag = `"${createHash("sha256").update(bytes).digest("hex")}"`;
  return new Response(new Uint8Array(bytes), {
    headers: {
      "content-type": "application/octet-stream",
      "content-length": String(bytes.length),
      "content-disposition": `attachment; filename="${name.replace(/[^\w.-]/g, "_")}"`,
      etag,
    },
  });
}
