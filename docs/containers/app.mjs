// An app that verifies each message of the relay, and prints its type, its video, and where that is.
import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import process from "node:process";

const secret = readFileSync(process.env.SECRET_FILE ?? "/run/secrets/app_secret", "utf8").trim();
const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");

/** docs/CONSUME.md, "Without a library", says what this does, and has it for other languages. */
function isSigned(headers, body, now = Date.now()) {
  const { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": signatures } = headers;
  if (!id || !signatures || !/^\d+$/.test(time) || Math.abs(now / 1000 - time) > 300) return false;
  const wanted = createHmac("sha256", key).update(`${id}.${time}.`).update(body).digest();
  return signatures.split(" ").some((signature) => {
    const given = Buffer.from(signature.replace(/^v1,/, ""), "base64");
    return signature.startsWith("v1,") && given.length === wanted.length && timingSafeEqual(given, wanted);
  });
}

const server = createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray());
  if (!isSigned(request.headers, body)) return response.writeHead(401).end();
  const { type, wochitVideoId, videoUrl } = JSON.parse(body);
  console.log(["verified:", type, wochitVideoId, videoUrl].filter(Boolean).join(" "));
  response.writeHead(204).end();
});
server.listen(Number(process.env.PORT ?? 3000), () => console.log(`listening on ${server.address().port}`));
