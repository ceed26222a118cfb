import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, utimes } from "node:fs/promises";
import { request } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { signKey } from "../../../src/links/durable-link.ts";
import { holdLinkSecrets } from "../../../src/links/link-secrets.ts";
import type { Targets } from "../../../src/mirror/open-targets.ts";
import { createCopies } from "../../../src/mirror/serve/copy.ts";
import { mediaRoute } from "../../../src/mirror/serve/route.ts";
import type { Medium } from "../../../src/model/medium.ts";
import { openTarget } from "../../../src/targets/table.ts";
import type { MirrorTarget } from "../../../src/targets/target.ts";
import { put } from "../../contracts/mirror-target.ts";
import { makePipe } from "../../support/pipe.ts";
import { testClock, testLog } from "../../support/ports.ts";
import { waitFor } from "../../support/wait.ts";

const secret = Buffer.from("the store's secret");
const held = [{ secret, endsAt: null }];
const text = "0123456789abcdefghij";

/** A mirrored medium's row. */
function row(key: string, more: Partial<Medium> = {}): Medium {
  const about = { id: "med_1", kind: "video", state: "mirrored", contentType: "video/mp4", bytes: null } as const;
  return { ...about, key, target: "tgt_1", ...more } as Medium;
}

async function open(
  t: TestContext,
  options: {
    links?: "signed" | "open";
    target?: Pick<MirrorTarget, "open">;
    at?: Targets["at"];
    now?: () => Medium;
  } = {},
) {
  const folder = await mkdtemp(join(tmpdir(), "relay-serve-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const dir = join(folder, "media");
  const target = await openTarget({ type: "local", dir });
  const rows = new Map<string, Medium>();
  const keep = async (key: string, content: string | Uint8Array, more: Partial<Medium> = {}) => {
    await put(target, folder, key, content, true);
    rows.set(key, row(key, { bytes: Buffer.byteLength(content), ...more }));
  };
  const log = testLog();
  const store = { mediumByKey: async (key: string) => rows.get(key) ?? null };
  const now = options.now ?? (() => row("none", { target: null, key: null }));
  const app = new Hono();
  const present = (options.target ?? target) as MirrorTarget;
  const targets = { at: options.at ?? (async (id: string) => (id === "tgt_1" ? present : null)) };
  app.on(
    ["GET", "OPTIONS"],
    "/media/*",
    mediaRoute({
      store,
      copies: createCopies({ store: { targets: async () => [], medium: async () => now() }, targets, log }),
      config: { links: options.links ?? "signed" },
      secrets: holdLinkSecrets(held, async () => held, testClock()),
    }),
  );
  const server = createAdaptorServer({ fetch: app.fetch });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
  const { port } = server.address() as AddressInfo;
  /** `path` as it is, below /media/: no client normalises it. */
  const ask = (path: string, headers: Record<string, string> = {}, method = "GET") =>
    new Promise<{ status: number; headers: Record<string, string | string[] | undefined>; body: string }>(
      (resolve, reject) => {
        const asked = request(
          { host: "127.0.0.1", port, path: `/media/${path}`, method, headers, agent: false },
          async (response) => {
            const chunks: Buffer[] = [];
            for await (const chunk of response) chunks.push(chunk);
            resolve({
              status: response.statusCode!,
              headers: response.headers,
              body: Buffer.concat(chunks).toString(),
            });
          },
        );
        asked.on("error", reject).end();
      },
    );
  const signed = (key: string) => `${key}?sig=${signKey(secret, key)}`;
  return { ask, keep, signed, dir, target, rows, log, port };
}

test("a copy is served with its type, its size, a tag, and headers that keep it harmless", async (t) => {
  const { ask, keep, signed } = await open(t);
  await keep("a/video.mp4", text);
  const { status, headers, body } = await ask(signed("a/video.mp4"));
  assert.deepEqual([status, body], [200, text]);
  assert.equal(headers["content-type"], "video/mp4");
  assert.equal(headers["content-length"], String(text.length));
  assert.equal(headers["accept-ranges"], "bytes");
  assert.equal(headers["x-content-type-options"], "nosniff");
  // A film that a browser opens by itself is loaded by a page of the browser's own, from here; nothing else is, and no script runs.
  assert.equal(headers["content-security-policy"], "default-src 'none'; media-src 'self'; sandbox allow-same-origin");
  assert.match(String(headers.etag), /^"[a-z0-9-]+"$/);
  assert.match(String(headers["last-modified"]), / GMT$/);
  assert.match(String(headers["cache-control"]), /^private/);
  assert.equal(headers["content-disposition"], undefined);
});

test("a pipe in place of a copy is nothing, is not waited for, and holds up no other copy", async (t) => {
  const { ask, keep, signed, dir, target } = await open(t);
  for (const key of ["a/video.mp4", "b/video.mp4"]) await keep(key, text);
  const pipe = makePipe(t, join(dir, "a/video.mp4"));
  // More than there are threads for files: an open that waits for a writer would take each of them for good.
  const asked = Array.from({ length: 64 }, () => ask(signed("a/video.mp4")));
  const { status, body } = await ask(signed("b/video.mp4"));
  assert.deepEqual([status, body], [200, text]);
  assert.deepEqual(new Set((await Promise.all(asked)).map((answer) => answer.status)), new Set([404]));
  assert.ok(!pipe.hadWriter(), "nothing waited for one");
  assert.equal(await target.read("a/video.mp4", new AbortController().signal), null);
  assert.equal(await target.head("a/video.mp4"), null);
});

test("HEAD has the same headers, without the bytes", async (t) => {
  const { ask, keep, signed } = await open(t);
  await keep("a/video.mp4", text);
  const [get, head] = [
    await ask(signed("a/video.mp4")),
    await ask(signed("a/video.mp4"), { range: "bytes=0-1" }, "HEAD"),
  ];
  assert.deepEqual([head.status, head.body], [200, ""]);
  for (const name of ["content-length", "content-type", "etag", "last-modified"])
    assert.equal(head.headers[name], get.headers[name], name);
});

test("without the right signature nothing is there: the answer is that of a file that never was", async (t) => {
  const { ask, keep, signed } = await open(t);
  await keep("a/video.mp4", text);
  const missing = await ask(signed("a/none.mp4"));
  assert.equal(missing.status, 404);
  assert.equal(JSON.parse(missing.body).error.code, "not_found");
  const sig = signKey(secret, "a/video.mp4");
  for (const query of [
    "",
    "?sig=",
    "?sig=x",
    `?sig=${sig.slice(1)}`,
    `?sig=${sig}x`,
    `?sig=${signKey(secret, "b")}`,
    `?SIG=${sig}`,
  ]) {
    const answer = await ask(`a/video.mp4${query}`);
    assert.deepEqual([answer.status, answer.body], [404, missing.body], query);
    assert.equal(answer.headers.etag, undefined);
  }
});

test("open links need no signature, but only keys of media rows are served", async (t) => {
  const { ask, keep, rows } = await open(t, { links: "open" });
  await keep("a/video.mp4", text);
  assert.equal((await ask("a/video.mp4")).body, text);
  rows.clear();
  assert.equal((await ask("a/video.mp4")).status, 404);
});

test("no path leads anywhere else", async (t) => {
  const { ask, keep, dir } = await open(t, { links: "open" });
  await keep("a/video.mp4", text);
  const paths = [
    "",
    "a",
    "a/",
    "../media/a/video.mp4/..",
    "..%2f..%2fetc%2fpasswd",
    "a%2fvideo.mp4",
    "a//video.mp4",
    "./a/video.mp4/.",
    "%00",
    "%",
    "%ff",
    `${dir}/a/video.mp4`,
    "a/video.mp4%00",
    "a\\video.mp4",
    ".incoming/x",
  ];
  // The server itself refuses what is no path at all.
  for (const path of paths) assert.ok([400, 404].includes((await ask(path)).status), path);
});

test("a row whose file is gone is not found", async (t) => {
  const { ask, keep, signed, target } = await open(t);
  await keep("a/video.mp4", text);
  await target.delete("a/video.mp4");
  assert.equal((await ask(signed("a/video.mp4"))).status, 404);
});

test("what is neither video nor picture, and SVG, is for saving only", async (t) => {
  const { ask, keep, signed } = await open(t);
  for (const [index, contentType] of [
    "text/html",
    "image/svg+xml",
    "application/pdf",
    null,
    "video/mp4\r\nx: y",
    "audio/mpeg",
  ].entries()) {
    await keep(`${index}/video.bin`, text, { contentType });
    const { headers } = await ask(signed(`${index}/video.bin`));
    assert.equal(headers["content-type"], "application/octet-stream", String(contentType));
    assert.equal(headers["content-disposition"], "attachment");
    assert.equal(headers["content-security-policy"], "default-src 'none'; sandbox");
  }
});

test("a single range is sent; several, and what is no range, get all of it", async (t) => {
  const { ask, keep, signed } = await open(t);
  await keep("a/video.mp4", text);
  const cases: [string, number, string, string?][] = [
    ["bytes=0-4", 206, "01234", "bytes 0-4/20"],
    ["bytes=15-", 206, "fghij", "bytes 15-19/20"],
    ["bytes=-5", 206, "fghij", "bytes 15-19/20"],
    ["bytes=5-1000", 206, text.slice(5), "bytes 5-19/20"],
    ["bytes=-1000", 206, text, "bytes 0-19/20"],
    ["bytes=0-0", 206, "0", "bytes 0-0/20"],
    ["bytes=0-4,3-9", 206, "0123456789", "bytes 0-9/20"],
    ["bytes=0-1,5-6", 200, text],
    ["bytes=x", 200, text],
    ["bytes=5-2", 416, "", "bytes */20"],
    ["bytes=20-", 416, "", "bytes */20"],
    ["bytes=-0", 416, "", "bytes */20"],
    ["items=0-4", 200, text],
    ["", 200, text],
  ];
  for (const [range, status, body, contentRange] of cases) {
    const answer = await ask(signed("a/video.mp4"), { range });
    assert.deepEqual(
      [answer.status, answer.body, answer.headers["content-range"]],
      [status, body, contentRange],
      range,
    );
    if (status !== 416) assert.equal(answer.headers["content-length"], String(body.length), range);
  }
});

test("If-Range: a range of the very same file, else all of the new one", async (t) => {
  const { ask, keep, signed } = await open(t);
  await keep("a/thumbnail.jpg", text);
  const { headers } = await ask(signed("a/thumbnail.jpg"));
  const status = async (condition: string) =>
    (await ask(signed("a/thumbnail.jpg"), { range: "bytes=0-4", "if-range": condition })).status;
  assert.equal(await status(String(headers.etag)), 206);
  assert.equal(await status(String(headers["last-modified"])), 206);
  assert.equal(await status(`W/${headers.etag}`), 200);
  assert.equal(await status('"other"'), 200);
  assert.equal(await status("Thu, 01 Jan 1970 00:00:00 GMT"), 200);
  assert.equal(await status("rubbish"), 200);
  await keep("a/thumbnail.jpg", text.toUpperCase());
  assert.equal(await status(String(headers.etag)), 200);
});

test("what the reader has already is not sent again", async (t) => {
  const { ask, keep, signed, dir } = await open(t);
  await keep("a/thumbnail.jpg", text);
  await utimes(join(dir, "a/thumbnail.jpg"), 1_700_000_000, 1_700_000_000.5);
  const { headers } = await ask(signed("a/thumbnail.jpg"));
  const status = async (conditions: Record<string, string>, method = "GET") => {
    const answer = await ask(signed("a/thumbnail.jpg"), conditions, method);
    if (answer.status === 304) assert.deepEqual([answer.body, answer.headers.etag], ["", headers.etag]);
    return answer.status;
  };
  const [etag, modified] = [String(headers.etag), String(headers["last-modified"])];
  assert.equal(await status({ "if-none-match": etag }), 304);
  assert.equal(await status({ "if-none-match": etag }, "HEAD"), 304);
  assert.equal(await status({ "if-none-match": `"other", W/${etag}` }), 304);
  assert.equal(await status({ "if-none-match": "*" }), 304);
  assert.equal(await status({ "if-none-match": '"other"', "if-modified-since": modified }), 200);
  assert.equal(await status({ "if-modified-since": modified }), 304);
  assert.equal(await status({ "if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT" }), 200);
  assert.equal(await status({ "if-modified-since": "yesterday" }), 200);
  assert.equal(await status({ "if-none-match": etag, range: "bytes=0-1" }), 304);
});

test("a copy that the target has elsewhere is redirected to, for the method that was asked by", async (t) => {
  const { ask, rows, signed } = await open(t, {
    target: {
      open: async (key, method) => ({ is: "elsewhere", url: `https://bucket.test/${key}?for=${method}`, lasts: 1 }),
    },
  });
  rows.set("a/video.mp4", row("a/video.mp4"));
  for (const method of ["GET", "HEAD"]) {
    const { status, headers, body } = await ask(signed("a/video.mp4"), { range: "bytes=0-1" }, method);
    assert.deepEqual([status, body], [307, ""]);
    assert.equal(headers.location, `https://bucket.test/a/video.mp4?for=${method}`);
    assert.equal(headers["access-control-allow-origin"], "*");
    assert.equal(headers["cache-control"], "private, no-store");
  }
  assert.equal((await ask("a/video.mp4")).status, 404);
});

test("a copy that has left its place between the look at its row and the look at the place is served where it is now", async (t) => {
  const present: { row: Medium | null } = { row: null };
  const { ask, rows, keep, signed, target } = await open(t, {
    at: async (id) =>
      id === "tgt_former" ? { ...target, open: async () => null } : id === "tgt_gone" ? fails() : target,
    now: () => present.row!,
  });
  const fails = () => Promise.reject(new Error("the disk is gone"));
  await keep("a/video.mp4", text);
  present.row = rows.get("a/video.mp4")!;
  for (const former of ["tgt_former", "tgt_gone"]) {
    rows.set("a/video.mp4", { ...present.row, target: former });
    const { status, body } = await ask(signed("a/video.mp4"));
    assert.deepEqual([status, body], [200, text], former);
  }
  present.row = { ...present.row, target: "tgt_former" };
  rows.set("a/video.mp4", present.row);
  assert.equal((await ask(signed("a/video.mp4"))).status, 404, "it has not been moved");
});

test("a copy is served from the target that its row names", async (t) => {
  const { ask, keep, signed, target, rows } = await open(t, {
    at: async (id) => (id === "tgt_former" ? target : null),
  });
  await keep("a/video.mp4", text, { target: "tgt_former" });
  assert.equal((await ask(signed("a/video.mp4"))).body, text);
  for (const more of [{ target: "tgt_none" }, { target: null }, { target: "tgt_former", state: "deleted" as const }]) {
    rows.set("a/video.mp4", row("a/video.mp4", more));
    assert.equal((await ask(signed("a/video.mp4"))).status, 404, JSON.stringify(more));
  }
});

test("a target that cannot be reached is said to be so, without a word of why", async (t) => {
  const broken = () => Promise.reject(new Error("connect ECONNREFUSED bucket.internal"));
  for (const options of [{ at: broken }, { target: { open: broken } }]) {
    const { ask, rows, signed, log } = await open(t, options);
    rows.set("a/video.mp4", row("a/video.mp4"));
    const { status, headers, body } = await ask(signed("a/video.mp4"));
    assert.equal(status, 503);
    assert.deepEqual(JSON.parse(body).error, {
      code: "target_unavailable",
      message: "the file cannot be read right now; ask again later",
    });
    assert.deepEqual([headers["cache-control"], headers["retry-after"]], ["private, no-store", "5"]);
    assert.equal((await ask(signed("a/video.mp4"), {}, "HEAD")).status, 503);
    const fields = { medium: "med_1", key: "a/video.mp4", error: "connect ECONNREFUSED bucket.internal" };
    assert.deepEqual(log.facts[0], { level: "warn", fact: "copy not served", fields });
  }
});

test("a copy of another size than was kept is never served: the log says what to do", async (t) => {
  const { ask, keep, signed, rows, log, dir } = await open(t);
  for (const bytes of [text.length + 1, text.length - 1, 0]) {
    await keep("a/video.mp4", text, { bytes });
    log.facts.length = 0;
    for (const method of ["GET", "HEAD"]) {
      const { status, headers, body } = await ask(signed("a/video.mp4"), { range: "bytes=0-1" }, method);
      assert.deepEqual([status, headers["retry-after"], headers.etag], [503, "5", undefined], `${method} ${bytes}`);
      if (method === "GET") assert.equal(JSON.parse(body).error.code, "target_unavailable");
    }
    const error = `the copy has ${text.length} bytes, ${bytes} were kept: run \`media verify --mend\``;
    const line = { level: "error", fact: "copy not served", fields: { medium: "med_1", key: "a/video.mp4", error } };
    assert.deepEqual(log.facts, [line, line]);
  }
  rows.set("a/video.mp4", row("a/video.mp4", { bytes: text.length }));
  assert.equal((await ask(signed("a/video.mp4"))).status, 200);
  if (noProc === false) assert.equal(await openFiles(dir), 0, "a file that is not served is closed");
});

test("pages of any origin may read copies, and what is said of them; a preflight is answered", async (t) => {
  const { ask, keep, signed } = await open(t);
  await keep("a/video.mp4", text);
  await keep("b/video.mp4", text, { bytes: 1 });
  const origin = "https://player.test";
  const whole = signed("a/video.mp4");
  const { headers } = await ask(whole);
  const asked: [number, string, Record<string, string>][] = [
    [200, whole, {}],
    [206, whole, { range: "bytes=0-1" }],
    [304, whole, { "if-none-match": String(headers.etag) }],
    [404, "a/video.mp4", {}],
    [416, whole, { range: "bytes=99-" }],
    [503, signed("b/video.mp4"), {}],
  ];
  for (const [status, path, more] of asked) {
    const answer = await ask(path, { origin, ...more });
    assert.equal(answer.status, status);
    assert.equal(answer.headers["access-control-allow-origin"], "*", String(status));
    for (const name of ["Content-Range", "Content-Length", "ETag", "Accept-Ranges"])
      assert.ok(String(answer.headers["access-control-expose-headers"]).includes(name), `${status} ${name}`);
  }
  const preflight = { origin, "access-control-request-method": "GET", "access-control-request-headers": "range" };
  for (const path of [whole, "a/video.mp4"]) {
    const answer = await ask(path, preflight, "OPTIONS");
    assert.deepEqual([answer.status, answer.body], [204, ""]);
    assert.equal(answer.headers["access-control-allow-origin"], "*");
    assert.match(String(answer.headers["access-control-allow-headers"]), /\bRange\b/);
    assert.match(String(answer.headers["access-control-allow-methods"]), /\bGET\b/);
  }
});

test("a copy that breaks while it is sent cuts the connection, and says so in one line of the log", async (t) => {
  const printed = t.mock.method(console, "error", () => {});
  for (const chunks of [0, 1, 20]) {
    const broken = async () => ({
      is: "file" as const,
      bytes: 10_000_000,
      modifiedAt: 0,
      tag: "x",
      read: () => {
        let left = chunks;
        return new ReadableStream<Uint8Array>({
          pull(controller) {
            if (left-- === 0) controller.error(Object.assign(new Error("i/o error"), { code: "EIO" }));
            else controller.enqueue(Buffer.alloc(200_000));
          },
        });
      },
      close: async () => {},
    });
    const { rows, signed, log, port } = await open(t, { target: { open: broken } });
    rows.set("a/video.mp4", row("a/video.mp4"));
    const socket = connect(port, "127.0.0.1");
    let received = 0;
    socket.on("data", (chunk) => {
      received += chunk.length;
    });
    socket.on("error", () => {});
    socket.write(`GET /media/${signed("a/video.mp4")} HTTP/1.1\r\nhost: x\r\n\r\n`);
    await new Promise((resolve) => socket.once("close", resolve));
    assert.ok(received < 10_000_000);
    assert.deepEqual(log.facts, [
      {
        level: "warn",
        fact: "copy not served to its end",
        fields: { medium: "med_1", key: "a/video.mp4", error: "i/o error (EIO)" },
      },
    ]);
  }
  assert.equal(printed.mock.callCount(), 0);
});

/** How many files of a folder this process has open. */
async function openFiles(folder: string): Promise<number> {
  const { readlink } = await import("node:fs/promises");
  const links = await Promise.all(
    (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")),
  );
  return links.filter((link) => link.startsWith(folder)).length;
}

const noProc = process.platform !== "linux" && "it counts open files in /proc";
test("a large copy is streamed as the reader takes it, and let go when the reader leaves", {
  skip: noProc,
}, async (t) => {
  const { ask, keep, signed, dir, port } = await open(t);
  const large = Buffer.alloc(30_000_000, "0123456789");
  await keep("a/video.mp4", large);
  assert.equal((await ask(signed("a/video.mp4"))).body.length, large.length);
  await ask(signed("a/video.mp4"), {}, "HEAD");
  await ask(signed("a/video.mp4"), { range: "bytes=99999999-" });
  await waitFor(async () => (await openFiles(dir)) === 0);

  const before = process.memoryUsage().rss;
  const readers = Array.from({ length: 20 }, () => {
    const socket = connect(port, "127.0.0.1");
    socket.write(`GET /media/${signed("a/video.mp4")} HTTP/1.1\r\nhost: x\r\n\r\n`);
    return socket;
  });
  // Each reads the first bytes and then no more.
  await Promise.all(
    readers.map((socket) => new Promise((resolve) => socket.once("data", () => resolve(socket.pause())))),
  );
  await waitFor(async () => (await openFiles(dir)) === 20);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(process.memoryUsage().rss - before < 200_000_000, "what the client does not take is not read");
  for (const socket of readers) socket.destroy();
  await waitFor(async () => (await openFiles(dir)) === 0);
});
