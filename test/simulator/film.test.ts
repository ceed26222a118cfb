import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { request } from "undici";
import { verifyMedia } from "../../src/mirror/validate/validate.ts";
import { type Content, piecesOf, sha256Of } from "../../src/simulator/content.ts";
import { filmContent, tinyMp4 } from "../../src/simulator/media.ts";
import { openProvider } from "../../src/simulator/provider.ts";
import { sha256Of as sha256OfBytes } from "../support/bytes.ts";
import { tempFolder } from "../support/folder.ts";
import { realPorts } from "../support/real-ports.ts";

const GIB = 2 ** 30;

test("a film is the same from whatever position it is read, and in whatever pieces", () => {
  const film = filmContent({ bytes: 300_000, seed: "pieces" });
  const whole = tinyMp4({ bytes: 300_000, seed: "pieces" });
  assert.equal(film.length, 300_000);
  for (const size of [1_000, 4_096, 65_537]) {
    assert.deepEqual(Buffer.concat([...piecesOf(film, 0, film.length, size)]), Buffer.from(whole));
  }
  for (const [start, end] of [
    [0, 1],
    [1_400, 1_500],
    [1_470, 1_471],
    [123_457, 200_003],
    [299_999, 300_000],
  ] as const) {
    assert.deepEqual(Buffer.from(film.read(start, end)), Buffer.from(whole.subarray(start, end)), `${start} to ${end}`);
  }
  assert.equal(sha256Of(film), sha256OfBytes(whole));
});

/** As the provider would write it: sparse, so that a film of gigabytes costs no disk; only what is not its noise. */
async function writeSparse(path: string, content: Content): Promise<void> {
  const file = await open(path, "w");
  await file.truncate(content.length);
  await file.write(content.read(0, 65_536), 0, 65_536, 0);
  await file.close();
}

test("a film of two gigabytes, and one beyond the reach of 32 bits, are whole by their boxes", async (t) => {
  const folder = tempFolder(t);
  for (const bytes of [2 * GIB, 2 ** 32 + 5 * GIB + 7]) {
    const path = join(folder, `${bytes}.mp4`);
    await writeSparse(path, filmContent({ bytes, seconds: 600 }));
    const proof = await verifyMedia({ path, kind: "video", bytes, announced: bytes, duration: 600 });
    assert.deepEqual(proof, { contentType: "video/mp4", ext: ".mp4", suspect: null });
  }
});

test("a film of two gigabytes is served in ranges without being held in memory", async () => {
  const provider = await openProvider(realPorts());
  try {
    const before = process.memoryUsage().rss;
    const film = provider.addVideo("large", { bytes: 2 * GIB });
    assert.throws(() => film.bytes, /large\/video\.mp4 has 2147483648 bytes/);
    assert.match(film.etag, /^"[0-9a-f]{32}-256"$/);
    const answer = await request(film.link(), { headers: { range: `bytes=${GIB}-${GIB + 49_999_999}` } });
    const hash = createHash("sha256");
    let length = 0;
    for await (const chunk of answer.body) {
      hash.update(chunk);
      length += chunk.length;
    }
    assert.equal(answer.headers["content-range"], `bytes 1073741824-1123741823/2147483648`);
    assert.equal(length, 50_000_000);
    const right = createHash("sha256");
    for (const piece of piecesOf(film.content, GIB, GIB + 50_000_000)) right.update(piece);
    assert.equal(hash.digest("hex"), right.digest("hex"));
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < 300 * 2 ** 20, `${grown} bytes of memory more`);
  } finally {
    await provider.close();
  }
});
