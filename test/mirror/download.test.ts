import assert from "node:assert/strict";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import type { Copy, DownloadOutcome } from "../../src/domain.ts";
import { partOf, sweepSpool } from "../../src/mirror/spool.ts";
import { waitFor } from "../support/wait.ts";
import { jpeg, mp4 } from "./bytes.ts";
import { type Handler, openDownloads, serve, sha256 } from "./downloads.ts";

const film = mp4({ bytes: 300_000, seed: 1 });

const give =
  (content: Uint8Array, headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    void response.writeHead(200, { "content-length": content.length, ...headers }).end(content);

function copyOf(outcome: DownloadOutcome | null): Copy {
  assert.equal(outcome?.is, "mirrored", JSON.stringify(outcome));
  return (outcome as Extract<DownloadOutcome, { is: "mirrored" }>).copy;
}

function errorOf(outcome: DownloadOutcome | null, is: DownloadOutcome["is"], words: RegExp): void {
  assert.equal(outcome?.is, is, JSON.stringify(outcome));
  assert.match((outcome as Extract<DownloadOutcome, { is: "retry" }>).error, words);
}

test("a video is downloaded, proven, kept and settled; the spool is empty again", async (t) => {
  const seen: Record<string, unknown>[] = [];
  const origin = await serve(t, (request, response) => {
    seen.push(request.headers);
    give(film, { etag: '"abc"', "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT", "set-cookie": "a=b" })(
      request,
      response,
    );
  });
  const { run, dir, files, spoolDir, log } = await openDownloads(t);
  assert.deepEqual(copyOf(await run(`${origin}/v.mp4?X-Amz-Signature=secret`)), {
    key: "v1/video.mp4",
    bytes: film.length,
    sha256: sha256(film),
    contentType: "video/mp4",
    suspect: null,
    etag: '"abc"',
    lastModified: "Thu, 01 Jan 2026 00:00:00 GMT",
  });
  assert.deepEqual(await readFile(join(dir, "v1/video.mp4")), film);
  assert.deepEqual(await files(spoolDir), []);
  assert.equal(seen[0]?.["accept-encoding"], "identity");
  for (const header of ["cookie", "authorization", "if-none-match", "referer"])
    assert.equal(seen[0]?.[header], undefined);
  const [fact] = log.facts;
  assert.equal(fact?.fact, "media mirrored");
  assert.equal(fact?.fields.sha256, sha256(film));
  assert.ok(!JSON.stringify(log.facts).includes("secret"));
});

test("a body without a length is taken as it comes", async (t) => {
  const origin = await serve(t, (_, response) => {
    response.write(film.subarray(0, 1000));
    setTimeout(() => response.end(film.subarray(1000)), 20);
  });
  const { run } = await openDownloads(t);
  assert.equal(copyOf(await run(origin)).sha256, sha256(film));
});

test("a file of many batches arrives to the byte", async (t) => {
  const large = mp4({ bytes: 20_000_003, seed: 9 });
  for (let at = 200; at < large.length; at += 997) large[at] = at % 251;
  const origin = await serve(t, give(large));
  const { run, dir } = await openDownloads(t);
  assert.equal(copyOf(await run(origin)).sha256, sha256(large));
  assert.equal(sha256(await readFile(join(dir, "v1/video.mp4"))), sha256(large));
});

test("answers that are not the media yet are tried again", async (t) => {
  const cases: [string, Handler, RegExp][] = [
    ["403", (_, response) => void response.writeHead(403).end("<Error/>"), /answered 403/],
    ["404", (_, response) => void response.writeHead(404).end(), /answered 404/],
    ["500", (_, response) => void response.writeHead(500).end(), /answered 500/],
    ["204", (_, response) => void response.writeHead(204).end(), /answered 204/],
    ["206", (_, response) => void response.writeHead(206).end(film), /answered 206/],
    ["304 unasked", (_, response) => void response.writeHead(304).end(), /answered 304/],
    ["HTML", give(Buffer.from("<!doctype html><p>Please wait")), /text/],
    ["XML", give(Buffer.from('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>')), /text/],
    ["empty", give(Buffer.alloc(0)), /empty/],
    ["cut, no length", (_, response) => void response.end(film.subarray(0, 5_000)), /cut/],
    [
      "cut by a lost connection",
      (_, response) => {
        response.writeHead(200, { "content-length": film.length }).write(film.subarray(0, 200_000));
        setTimeout(() => response.destroy(), 20);
      },
      /./,
    ],
    [
      "cut in a chunked body",
      (_, response) => {
        response.write(film.subarray(0, 200_000));
        setTimeout(() => response.destroy(), 20);
      },
      /./,
    ],
    ["a redirect to nowhere", (_, response) => void response.writeHead(302).end(), /redirects to nowhere/],
    [
      "a redirect to rubbish",
      (_, response) => void response.writeHead(302, { location: "http://[" }).end(),
      /redirects to nowhere/,
    ],
    [
      "a redirect with credentials",
      (_, response) => void response.writeHead(302, { location: "http://a:b@127.0.0.1/" }).end(),
      /credentials/,
    ],
    [
      "a loop of redirects",
      (_, response) => void response.writeHead(302, { location: "/again" }).end(),
      /more than 5 redirects/,
    ],
    ["gzip", give(gzipSync(film), { "content-encoding": "gzip" }), /content-encoding gzip though identity was asked/],
    ["a list of codings", give(film, { "content-encoding": "identity, BR" }), /content-encoding identity, BR though/],
    ["a reset", (_, response) => void response.destroy(), /./],
  ];
  const origin = await serve(t, (request, response) =>
    cases[Number(request.url?.split("/")[1])]?.[1](request, response),
  );
  // The loop leaves its own path: it gets a server that does nothing else.
  const loop = await serve(t, (_, response) => void response.writeHead(302, { location: "/again?sig=secret" }).end());
  const { run, files, dir, spoolDir, log, ports } = await openDownloads(t);
  for (const [index, [name, , words]] of cases.entries()) {
    const url = name.startsWith("a loop") ? loop : `${origin}/${index}/x`;
    const outcome = await run(`${url}?sig=secret`);
    errorOf(outcome, "retry", words);
    const wait = (outcome as { at: number }).at - ports.clock.now();
    assert.ok(wait > 500 && wait <= 1_000, `${name}: the first retry is after a second, not ${wait} ms`);
    assert.ok(!JSON.stringify(outcome).includes("secret"), name);
  }
  assert.deepEqual([...(await files(dir)), ...(await files(spoolDir))], []);
  assert.ok(log.facts.every(({ fact }) => fact === "media not mirrored yet"));
  assert.ok(!JSON.stringify(log.facts).includes("secret"));
});

test("an answer that says it is not packed is taken", async (t) => {
  const origin = await serve(t, give(film, { "content-encoding": "identity, aws-chunked" }));
  const { run } = await openDownloads(t);
  copyOf(await run(origin));
});

test("404 first and there later: the second try keeps it", async (t) => {
  let requests = 0;
  const origin = await serve(t, (request, response) =>
    requests++ === 0 ? void response.writeHead(404).end() : give(film)(request, response),
  );
  const { run } = await openDownloads(t);
  errorOf(await run(origin), "retry", /404/);
  copyOf(await run(origin, { attempts: 1 }));
});

test("redirects are followed, five at most, each address checked", async (t) => {
  const origin = await serve(t, (request, response) => {
    const left = Number(request.url?.slice(1));
    if (left === 0) give(film)(request, response);
    else response.writeHead([301, 302, 303, 307, 308][left % 5]!, { location: `/${left - 1}` }).end("moved");
  });
  const { run } = await openDownloads(t);
  copyOf(await run(`${origin}/5`));
  errorOf(await run(`${origin}/6`), "retry", /more than 5/);
});

test("what is not allowed fails at once: addresses, schemes, redirects to them, text that is no link", async (t) => {
  const origin = await serve(
    t,
    (request, response) => void response.writeHead(302, { location: decodeURIComponent(request.url!.slice(1)) }).end(),
  );
  const { run, log } = await openDownloads(t);
  const links = [
    "http://10.0.0.1/x?sig=secret",
    "http://127.0.0.2:1/",
    "http://[::1]/",
    "http://169.254.169.254/latest",
    "ftp://127.0.0.1/x",
    "file:///etc/passwd",
    "rubbish",
  ];
  for (const link of links) {
    errorOf(await run(link), "failed", /not allowed|only http|not a URL/);
    if (link !== "rubbish")
      errorOf(await run(`${origin}/${encodeURIComponent(link)}`), "failed", /not allowed|only http/);
  }
  assert.ok(log.facts.every(({ fact, fields }) => fact === "media not mirrored" && fields.state === "failed"));
  assert.ok(!JSON.stringify(log.facts).includes("secret"));
});

test("a file that is too large fails: when it is announced, and while it comes", async (t) => {
  const origin = await serve(t, (request, response) => {
    if (request.url === "/announced") return give(film)(request, response);
    response.write(film);
    response.end();
  });
  const { run, files, dir, spoolDir } = await openDownloads(t, { config: { maxSize: film.length - 1 } });
  errorOf(await run(`${origin}/announced`), "failed", /larger than mirror\.maxSize: \d+ of \d+ bytes/);
  errorOf(await run(`${origin}/streamed`), "failed", /larger than mirror\.maxSize/);
  assert.deepEqual([...(await files(dir)), ...(await files(spoolDir))], []);
  const exact = await openDownloads(t, { config: { maxSize: film.length } });
  copyOf(await exact.run(`${origin}/announced`));
});

test("retries follow the schedule, leave one try at the deadline, and only a request past it expires", async (t) => {
  const origin = await serve(t, (_, response) => void response.writeHead(403).end());
  const { run, ports } = await openDownloads(t);
  const now = ports.clock.now();
  const at = async (attempts: number, deadline: number) => {
    const outcome = await run(origin, { attempts, deadline });
    assert.equal(outcome?.is, "retry");
    return (outcome as { at: number }).at;
  };
  const near = (actual: number, expected: number) =>
    assert.ok(Math.abs(actual - expected) < 2_000, `${actual - now} is not ${expected - now}`);
  near(await at(6, now + 3_600_000), now + 300_000);
  near(await at(20, now + 3_600_000), now + 300_000);
  assert.equal(await at(20, now + 60_000), now + 60_000);
  errorOf(await run(origin, { attempts: 20, deadline: ports.clock.now() - 1 }), "expired", /403/);
  errorOf(await run("http://10.0.0.1/", { deadline: ports.clock.now() - 1 }), "failed", /not allowed/);
});

test("a request that started before the deadline does not expire, however late it fails", async (t) => {
  const origin = await serve(t, (_, response) => void setTimeout(() => response.writeHead(403).end(), 100));
  const { run, ports } = await openDownloads(t);
  const outcome = await run(origin, { attempts: 20, deadline: ports.clock.now() + 50 });
  errorOf(outcome, "retry", /403/);
  assert.ok((outcome as { at: number }).at > ports.clock.now());
});

test("a link past its deadline that still answers is kept", async (t) => {
  const origin = await serve(t, give(film));
  const { run, ports } = await openDownloads(t);
  copyOf(await run(origin, { deadline: ports.clock.now() - 1 }));
});

test("nothing overwrites a video: the same one is fine, a different one gets a key of its own", async (t) => {
  const other = mp4({ bytes: 1000, seed: 2 });
  const origin = await serve(t, (request, response) =>
    give(request.url === "/other" ? other : film)(request, response),
  );
  const { run, files, dir } = await openDownloads(t);
  for (let round = 0; round < 2; round++) {
    assert.equal(copyOf(await run(`${origin}/one`)).key, "v1/video.mp4");
    assert.equal(copyOf(await run(`${origin}/other`)).key, `v1/video.${sha256(other).slice(0, 8)}.mp4`);
  }
  assert.deepEqual(await files(), [`v1/video.${sha256(other).slice(0, 8)}.mp4`, "v1/video.mp4"]);
  assert.equal(sha256(await readFile(join(dir, "v1/video.mp4"))), sha256(film));
  await writeFile(join(dir, `v1/video.${sha256(other).slice(0, 8)}.mp4`), "tampered");
  errorOf(await run(`${origin}/other`), "failed", /other files/);
});

test("a second video is told apart also where its container leaves the first one's place free", async (t) => {
  const other = mp4({ bytes: 1000, seed: 2 });
  const origin = await serve(t, give(other));
  const { run } = await openDownloads(t);
  const copy = copyOf(await run(`${origin}/second`, { isSecond: true }));
  assert.equal(copy.key, `v1/video.${sha256(other).slice(0, 8)}.mp4`);
});

test("a thumbnail replaces the one before; what no row names any longer is removed, never what was just written", async (t) => {
  let picture = jpeg(1);
  const origin = await serve(t, (request, response) => give(picture)(request, response));
  const { run, store, files, dir } = await openDownloads(t);
  const kind = "thumbnail";
  assert.equal(copyOf(await run(origin, { kind })).key, "v1/thumbnail.jpg");
  await writeFile(join(dir, "v1/thumbnail.png"), "old");
  store.obsolete = ["v1/thumbnail.png", "v1/thumbnail.jpg"];
  picture = jpeg(2);
  copyOf(await run(origin, { kind }));
  assert.deepEqual(await files(), ["v1/thumbnail.jpg"]);
  assert.deepEqual(await readFile(join(dir, "v1/thumbnail.jpg")), jpeg(2));
});

test("a copy that we have is asked for conditionally, and 304 settles it as it is", async (t) => {
  const asked: unknown[] = [];
  const origin = await serve(t, (request, response) => {
    asked.push(request.headers["if-none-match"], request.headers["if-modified-since"]);
    if (request.headers["if-none-match"] === '"1"') response.writeHead(304).end();
    else give(jpeg(1), { etag: '"1"', "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT" })(request, response);
  });
  const { run, target } = await openDownloads(t);
  const previous = copyOf(await run(origin, { kind: "thumbnail" }));
  assert.deepEqual(copyOf(await run(origin, { kind: "thumbnail", previous })), previous);
  assert.deepEqual(asked, [undefined, undefined, '"1"', "Thu, 01 Jan 2026 00:00:00 GMT"]);
  await target.delete(previous.key);
  asked.length = 0;
  assert.deepEqual(copyOf(await run(origin, { kind: "thumbnail", previous })), previous);
  assert.deepEqual(asked, [undefined, undefined], "a copy that is gone is fetched anew");
});

test("what is strange is kept, and marked", async (t) => {
  const origin = await serve(t, give(jpeg()));
  const { run } = await openDownloads(t);
  const copy = copyOf(await run(origin));
  assert.equal(copy.key, "v1/video.jpg");
  assert.match(copy.suspect ?? "", /image\/jpeg/);
});

test("hostile ids stay inside the directory", async (t) => {
  const origin = await serve(t, give(film));
  const { run, files } = await openDownloads(t);
  for (const videoId of ["../../up", "A", "a\0b", "con"]) copyOf(await run(origin, { videoId }));
  assert.equal((await files()).length, 4);
  for (const file of await files()) assert.match(file, /^~[a-z0-9_-]+\/video\.mp4$/);
});

test("an abort stops the download, settles nothing and leaves no file", async (t) => {
  const origin = await serve(t, (_, response) => {
    response.writeHead(200, { "content-length": film.length }).write(film.subarray(0, 100_000));
  });
  const { run, store, files, dir, spoolDir } = await openDownloads(t);
  const stop = new AbortController();
  const started = performance.now();
  setTimeout(() => stop.abort(new Error("the relay is stopping")), 100);
  assert.equal(await run(origin, {}, stop.signal), null);
  assert.equal(await run(origin, {}, AbortSignal.abort()), null);
  assert.ok(performance.now() - started < 5_000, "at once, not at the end of some limit");
  assert.deepEqual([store.settled, await files(dir), await files(spoolDir)], [[], [], []]);
});

test("a claim that was lost meanwhile puts nothing and settles nothing", async (t) => {
  const origin = await serve(t, give(jpeg(2)));
  const { run, store, files } = await openDownloads(t);
  store.lost = true;
  assert.equal(await run(origin, { kind: "thumbnail" }), null);
  assert.deepEqual(await files(), []);
});

test("trouble of our own is tried again in ten seconds, is no failure, and never expires", async (t) => {
  const origin = await serve(t, give(film));
  const past = Date.now() - 1_000;
  const expectOwn = (
    subject: Awaited<ReturnType<typeof openDownloads>>,
    outcome: DownloadOutcome | null,
    words: RegExp,
  ) => {
    errorOf(outcome, "retry", words);
    const wait = (outcome as { at: number }).at - subject.ports.clock.now();
    assert.ok(wait > 9_000 && wait <= 10_000, String(wait));
    assert.equal(subject.log.facts[0]?.level, "error");
    assert.equal(subject.log.facts[0]?.fact, "media cannot be kept");
  };
  const full = await openDownloads(t, { config: { minFreeDisk: 2 ** 60 } });
  expectOwn(full, await full.run(origin, { deadline: past }), /too little room .* mirror\.minFreeDisk/);

  const broken = await openDownloads(t, {
    target: (real) => ({
      ...real,
      put: () => Promise.reject(Object.assign(new Error("no space left"), { code: "ENOSPC" })),
    }),
  });
  expectOwn(broken, await broken.run(origin, { deadline: past, attempts: 50 }), /target: no space left \(ENOSPC\)/);

  const odd = await openDownloads(t);
  await writeFile(join(odd.dir, "v1"), "in the way");
  expectOwn(odd, await odd.run(origin, { deadline: past }), /in the way/);

  const blocked = await openDownloads(t);
  await mkdir(partOf(blocked.spoolDir, "med_1"), { recursive: true });
  expectOwn(blocked, await blocked.run(origin, { deadline: past }), /spool: /);
});

test("a spool that fails keeps no connection open", async (t) => {
  let open = 0;
  const origin = await serve(t, (_, response) => {
    open++;
    response.on("close", () => open--);
    response.writeHead(200, { "content-length": 2 ** 30 }).write(Buffer.alloc(2 ** 20));
  });
  const { run, spoolDir } = await openDownloads(t);
  for (let n = 1; n <= 3; n++) await mkdir(partOf(spoolDir, `med_${n}`), { recursive: true });
  for (let n = 1; n <= 3; n++) errorOf(await run(origin), "retry", /spool: /);
  await waitFor(() => open === 0, 2_000);
});

test("while the target fails nothing is fetched; it is asked every ten seconds, and then the copy is kept", async (t) => {
  let requests = 0;
  const origin = await serve(t, (request, response) => {
    requests++;
    give(film)(request, response);
  });
  let isDown = true;
  const puts: string[] = [];
  const every = 150;
  const { run, log, files, ports, targetHealth } = await openDownloads(t, {
    limits: { ownTrouble: every },
    target: (real) => ({
      ...real,
      async put(key, ...rest) {
        puts.push(key);
        if (isDown) throw new Error("the bucket is gone");
        return real.put(key, ...rest);
      },
    }),
  });
  const own = (outcome: DownloadOutcome | null) => {
    errorOf(outcome, "retry", /^target: the bucket is gone$/);
    assert.equal((outcome as { own?: boolean }).own, true);
    assert.ok((outcome as { at: number }).at <= ports.clock.now() + every);
  };
  own(await run(origin));
  assert.deepEqual([requests, puts], [1, ["v1/video.mp4"]]);
  for (const videoId of ["v1", "v2", "v3"]) own(await run(origin, { videoId }));
  assert.deepEqual([requests, puts], [1, ["v1/video.mp4", "~probe"]], "one probe for all of them, no download");
  await sleep(every);
  own(await run(origin));
  assert.deepEqual([requests, puts.length], [1, 3]);
  assert.equal(targetHealth.trouble(), "target: the bucket is gone");
  isDown = false;
  await sleep(every);
  copyOf(await run(origin));
  assert.equal(targetHealth.trouble(), null);
  copyOf(await run(origin, { videoId: "v2" }));
  assert.deepEqual(puts.slice(3), ["~probe", "v1/~probe", "v1/video.mp4", "v2/video.mp4"]);
  assert.deepEqual(await files(), ["v1/video.mp4", "v2/video.mp4"], "probes leave nothing behind");
  assert.equal(log.facts.filter(({ level }) => level === "error").length, 5);
});

test("a folder of the target that is in the way costs its own video one download, others nothing", async (t) => {
  let requests = 0;
  const origin = await serve(t, (request, response) => {
    requests++;
    give(film)(request, response);
  });
  const { run, dir } = await openDownloads(t, { limits: { ownTrouble: 50 } });
  await writeFile(join(dir, "v1"), "in the way");
  for (let round = 0; round < 3; round++) {
    errorOf(await run(origin), "retry", /in the way/);
    await sleep(60);
  }
  assert.equal(requests, 1);
  copyOf(await run(origin, { videoId: "v2" }));
  await rm(join(dir, "v1"));
  copyOf(await run(origin));
});

test("trouble of the link uses up an attempt, trouble of our own does not", async (t) => {
  const origin = await serve(t, (_, response) => void response.writeHead(403).end());
  const subject = await openDownloads(t);
  assert.equal(((await subject.run(origin)) as { own?: boolean }).own, undefined);
  const full = await openDownloads(t, { config: { minFreeDisk: 2 ** 60 } });
  assert.equal(((await full.run(origin)) as { own?: boolean }).own, true);
});

test("a length that would not leave the free space is our trouble, before a byte is read", async (t) => {
  let sent = 0;
  const origin = await serve(t, (_, response) => {
    response.writeHead(200, { "content-length": 2 ** 52 });
    response.write("x", () => sent++);
  });
  const { run } = await openDownloads(t, { config: { maxSize: 2 ** 53 } });
  errorOf(await run(origin), "retry", /4503599627370496 bytes are to come/);
});

test("what a crash left in the spool is swept, and nothing else", async (t) => {
  const { spoolDir, files } = await openDownloads(t);
  assert.equal(await sweepSpool(spoolDir), 0);
  await writeFile(partOf(spoolDir, "med_1"), "half");
  await writeFile(partOf(spoolDir, "med_2"), "half");
  await writeFile(join(spoolDir, "other"), "not ours");
  assert.equal(await sweepSpool(spoolDir), 2);
  assert.deepEqual(await files(spoolDir), ["other"]);
});

test("a left part that shares its bytes with a kept copy is not written over", async (t) => {
  const other = mp4({ bytes: 500, seed: 3 });
  const origin = await serve(t, (request, response) =>
    give(request.url === "/other" ? other : film)(request, response),
  );
  const { run, target, dir, spoolDir } = await openDownloads(t);
  // As a crash between link(2) and unlink(2) leaves it.
  const part = partOf(spoolDir, "med_1");
  await mkdir(spoolDir);
  await writeFile(part, film);
  await target.put(
    "v0/video.mp4",
    part,
    { contentType: "video/mp4", sha256: sha256(film), replace: false },
    new AbortController().signal,
  );
  await chmod(part, 0o640);
  copyOf(await run(`${origin}/other`));
  assert.equal(sha256(await readFile(join(dir, "v0/video.mp4"))), sha256(film));
});
