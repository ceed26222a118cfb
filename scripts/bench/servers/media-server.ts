import { createReadStream, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { readSettings, reportReady } from "../child.ts";

/** A provider's storage: any address that ends in .mp4 is the one file, any in .jpg the other. */

const { video, thumbnail } = readSettings<MediaSettings>();
export type MediaSettings = { video: string; thumbnail: string };

/** Small files are sent from memory: then the load is on the one who asks. */
const SMALL = 2 ** 20;

const files = [
  { path: video, suffix: ".mp4", type: "video/mp4" },
  { path: thumbnail, suffix: ".jpg", type: "image/jpeg" },
].map((file) => {
  const { size } = statSync(file.path);
  return { ...file, size, bytes: size <= SMALL ? readFileSync(file.path) : null };
});

const server = createServer((request, response) => {
  const path = request.url?.split("?", 1)[0] ?? "";
  const file = files.find(({ suffix }) => path.endsWith(suffix));
  if (!file) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { "content-type": file.type, "content-length": file.size });
  if (file.bytes) response.end(file.bytes);
  else createReadStream(file.path, { highWaterMark: 2 ** 20 }).pipe(response);
});

server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  reportReady({ ready: { url: `http://127.0.0.1:${port}` } });
});
