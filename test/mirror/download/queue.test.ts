import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import test from "node:test";
import { gzipSync } from "node:zlib";
import { spoolPaths } from "../../../src/mirror/spool/spool.ts";
import type { DownloadOutcome } from "../../../src/model/job.ts";
import type { Copy, SpooledFile } from "../../../src/model/medium.ts";
import { sha256Of } from "../../support/bytes.ts";
import { jpeg, mp4 } from "../../support/media-bytes.ts";
import { type Handler, serve } from "../../support/media-server.ts";
import { testClock } from "../../support/ports.ts";
import { openDownloads } from "./downloads.ts";

const film = mp4({ bytes: 300_000, seed: 1 });

const give =
  (content: Uint8Array, headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    void response.writeHead(200, { "content-length": content.length, ...headers }).end(content);

function spooled(outcome: DownloadOutcome | null): SpooledFile {
  assert.equal(outcome?.is, "spooled", JSON.stringify(outcome));
  return (outcome as Extract<DownloadOutcome, { is: "spooled" }>).file;
}

function errorOf(outcome: DownloadOutcome | null, is: DownloadOutcome["is"], words: RegExp): void {
  assert.equal(outcome?.is, is, JSON.stringify(outcome));
  assert.match((outcome as Extract<DownloadOutcome, { is: "retry" }>).error, words);
}

test("a video is downloaded, proven, made durable and settled; nothing else is left in the spool", async (t) => {
  const seen: Record<string, unknown>[] = [];
  const origin = await serve(t, (request, response) => {
    seen.push(request.headers);
    give(film, { etag: '"abc"', "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT", "set-cookie": "a=b" })(
      request,
      response,
    );
  });
  const { run, files, spoolDir, log, ports } = await openDownloads(t);
  assert.deepEqual(spooled(await run(`${origin}/v.mp4?X-Amz-Signature=secret`)), {
    bytes: film.length,
    sha256: sha256Of(film),
    contentType: "video/mp4",
    ext: ".mp4",
    suspect: null,
    etag: '"abc"',
    lastModified: "Thu, 01 Jan 2026 00:00:00 GMT",
  });
  assert.deepEqual(await readFile(spoolPaths(spoolDir, "med_1").file), film);
  assert.deepEqual(await files(), ["med_1.file"]);
  assert.equal(seen[0]?.["accept-encoding"], "identity");
  for (const header of ["cookie", "authorization", "if-none-match", "referer"])
    assert.equal(seen[0]?.[header], undefined);
  const [fact] = log.facts;
  assert.deepEqual([fact?.level, fact?.fact], ["debug", "media downloaded"]);
  assert.equal(fact?.fields.sha256, sha256Of(film));
  assert.ok(!JSON.stringify(log.facts).includes("secret"));
  assert.deepEqual(ports.metrics.reported, [["mediaMoved", "downloaded", film.length]]);
});

test("a body without a length is taken as it comes", async (t) => {
  const origin = await serve(t, (_, response) => {
    response.write(film.subarray(0, 1000));
    setTimeout(() => response.end(film.subarray(1000)), 20);
  });
  const { run } = await openDownloads(t);
  assert.equal(spooled(await run(origin)).sha256, sha256Of(film));
});

test("a file of many batches arrives to the byte", async (t) => {
  const large = mp4({ bytes: 20_000_003, seed: 9 });
  for (let at = 200; at < large.length; at += 997) large[at] = at % 251;
  const origin = await serve(t, give(large));
  const { run, spoolDir } = await openDownloads(t);
  assert.equal(spooled(await run(origin)).sha256, sha256Of(large));
  assert.equal(sha256Of(await readFile(spoolPaths(spoolDir, "med_1").file)), sha256Of(large));
});

test("answers that are not the media yet are tried again", async (t) => {
  const cases: [string, Handler, RegExp][] = [
    ["403", (_, response) => void response.writeHead(403).end("<Error/>"), /answered 403/],
    ["404", (_, response) => void response.writeHead(404).end(), /answered 404/],
    ["500", (_, response) => void response.writeHead(500).end(), /answered 500/],
    ["204", (_, response) => void response.writeHead(204).end(), /answered 204/],
    ["206", (_, response) => void response.writeHead(206).end(film), /answered 206/],
    [
      "206, half of it",
      (_, response) => void response.writeHead(206, { "content-range": "bytes 0-99/200" }).end(film.subarray(0, 100)),
      /answered 206/,
    ],
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
    ["a list of codings", give(film, { "content-encoding": "identity, BR" }), /content-encoding br though/],
    ["a reset", (_, response) => void response.destroy(), /./],
  ];
  const origin = await serve(t, (request, response) =>
    cases[Number(request.url?.split("/")[1])]?.[1](request, response),
  );
  // The loop leaves its own path: it gets a server that does nothing else.
  const loop = await serve(t, (_, response) => void response.writeHead(302, { location: "/again?sig=secret" }).end());
  const { run, files, log, ports } = await openDownloads(t);
  for (const [index, [name, , words]] of cases.entries()) {
    const url = name.startsWith("a loop") ? loop : `${origin}/${index}/x`;
    const outcome = await run(`${url}?sig=secret`);
    errorOf(outcome, "retry", words);
    const wait = (outcome as { at: number }).at - ports.clock.now();
    assert.ok(wait > 500 && wait <= 1_000, `${name}: the first retry is after a second, not ${wait} ms`);
    assert.ok(!JSON.stringify(outcome).includes("secret"), name);
  }
  const cut = cases.flatMap(([name], index) => (name.startsWith("cut") ? [`med_${index + 1}`] : []));
  const kept = cut.flatMap((medium) => [`${medium}.best`, `${medium}.part.json`]);
  assert.deepEqual(await files(), kept, "what is part of a film is kept, in case that nothing better comes");
  assert.ok(log.facts.every(({ fact }) => fact === "media not mirrored yet"));
  assert.ok(!JSON.stringify(log.facts).includes("secret"));
});

test("a whole file that a proxy has changed (203), or that comes as the range of all of its bytes (206), is a whole file", async (t) => {
  const range = { "content-range": `bytes 0-${film.length - 1}/${film.length}` };
  const origin = await serve(t, (request, response) => {
    const status = Number(request.url!.slice(1));
    response.writeHead(status, status === 206 ? range : {}).end(film);
  });
  const { run } = await openDownloads(t);
  for (const status of [203, 206]) assert.equal(spooled(await run(`${origin}/${status}`)).sha256, sha256Of(film));
});

test("an answer that says it is not packed is taken", async (t) => {
  const origin = await serve(t, give(film, { "content-encoding": "identity, aws-chunked" }));
  const { run } = await openDownloads(t);
  spooled(await run(origin));
});

test("404 first and there later: the second try gets it", async (t) => {
  let requests = 0;
  const origin = await serve(t, (request, response) =>
    requests++ === 0 ? void response.writeHead(404).end() : give(film)(request, response),
  );
  const { run } = await openDownloads(t);
  errorOf(await run(origin), "retry", /404/);
  spooled(await run(origin, { attempts: 1 }));
});

test("redirects are followed, five at most, each address checked", async (t) => {
  const origin = await serve(t, (request, response) => {
    const left = Number(request.url?.slice(1));
    if (left === 0) give(film)(request, response);
    else response.writeHead([301, 302, 303, 307, 308][left % 5]!, { location: `/${left - 1}` }).end("moved");
  });
  const { run } = await openDownloads(t);
  spooled(await run(`${origin}/5`));
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
  const { run, files } = await openDownloads(t, { config: { maxSize: film.length - 1 } });
  errorOf(await run(`${origin}/announced`), "failed", /larger than mirror\.maxSize: \d+ of \d+ bytes/);
  errorOf(await run(`${origin}/streamed`), "failed", /larger than mirror\.maxSize/);
  assert.deepEqual(await files(), []);
  const exact = await openDownloads(t, { config: { maxSize: film.length } });
  spooled(await exact.run(`${origin}/announced`));
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
  near(await at(20, now + 600_000), now + 60_000);
  near(await at(20, now + 60_000), now + 10_000);
  assert.equal(await at(20, now + 8_000), now + 8_000);
  errorOf(await run(origin, { attempts: 20, deadline: ports.clock.now() - 1 }), "expired", /403/);
  errorOf(await run("http://10.0.0.1/", { deadline: ports.clock.now() - 1 }), "failed", /not allowed/);
  assert.deepEqual(
    ports.metrics.reported.filter(([name]) => name === "mediumSettled"),
    [
      ["mediumSettled", "video", "expired"],
      ["mediumSettled", "video", "failed"],
    ],
  );
});

test("a request that started before the deadline does not expire, however late it fails", async (t) => {
  const origin = await serve(t, (_, response) => void setTimeout(() => response.writeHead(403).end(), 3_000));
  const { run, ports } = await openDownloads(t);
  const outcome = await run(origin, { attempts: 20, deadline: ports.clock.now() + 2_000 });
  errorOf(outcome, "retry", /403/);
  assert.ok((outcome as { at: number }).at > ports.clock.now());
});

test("a link past its deadline that still answers is kept", async (t) => {
  const origin = await serve(t, give(film));
  const { run, ports } = await openDownloads(t);
  spooled(await run(origin, { deadline: ports.clock.now() - 1 }));
});

test("a copy that its target still has is asked for conditionally, and 304 settles it as it is", async (t) => {
  const asked: unknown[] = [];
  const origin = await serve(t, (request, response) => {
    asked.push(request.headers["if-none-match"], request.headers["if-modified-since"]);
    if (request.headers["if-none-match"] === '"1"') response.writeHead(304).end();
    else give(jpeg(1), { etag: '"1"', "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT" })(request, response);
  });
  let held: boolean | null = true;
  const heldCopy = async (copy: Copy) => {
    assert.equal(copy, previous);
    if (held === null) throw new Error("the bucket is gone");
    return held;
  };
  const { run, files, ports } = await openDownloads(t, { heldCopy });
  const kind = "thumbnail";
  const { ext, ...file } = spooled(await run(origin, { kind }));
  const previous = { ...file, target: "1", key: "v1/thumbnail.jpg" };
  const outcome = await run(origin, { kind, previous });
  assert.deepEqual(outcome, { is: "unchanged", copy: previous });
  assert.deepEqual(ports.metrics.reported.slice(1), [
    ["mediaMoved", "downloaded", 0],
    ["mediumSettled", kind, "mirrored"],
  ]);
  assert.deepEqual(asked, [undefined, undefined, '"1"', "Thu, 01 Jan 2026 00:00:00 GMT"]);
  assert.deepEqual(await files(), ["med_1.file"]);
  for (held of [false, null]) {
    asked.length = 0;
    assert.deepEqual(spooled(await run(origin, { kind, previous })), { ...file, ext });
    assert.deepEqual(asked, [undefined, undefined], "a copy that is gone, or may be, is fetched anew");
  }
});

test("a target that does not say whether it has the copy holds nothing up", async (t) => {
  const origin = await serve(t, give(jpeg(1)));
  const clock = testClock(Date.now());
  const asked = Promise.withResolvers<void>();
  const heldCopy = () => {
    asked.resolve();
    return new Promise<never>(() => {});
  };
  const { run } = await openDownloads(t, { clock, heldCopy });
  const previous = { target: "1", key: "k", bytes: 1, sha256: "0", contentType: "image/jpeg" };
  const running = run(origin, {
    kind: "thumbnail",
    previous: { ...previous, suspect: null, etag: '"1"', lastModified: null },
  });
  await asked.promise;
  await clock.advance(3_000);
  spooled(await running);
});

test("what is strange is kept, and marked", async (t) => {
  const origin = await serve(t, give(jpeg()));
  const { run } = await openDownloads(t);
  const file = spooled(await run(origin));
  assert.equal(file.ext, ".jpg");
  assert.match(file.suspect ?? "", /image\/jpeg/);
});

test("an abort stops the download at once and settles nothing", async (t) => {
  const origin = await serve(t, (_, response) => {
    response.writeHead(200, { "content-length": film.length }).write(film.subarray(0, 100_000));
  });
  const { run, store, files, log, queue } = await openDownloads(t);
  const stop = new AbortController();
  const started = performance.now();
  setTimeout(() => stop.abort(new Error("the relay is stopping")), 100);
  assert.equal(await run(origin, {}, stop.signal), null);
  assert.equal(await run(origin, {}, AbortSignal.abort()), null);
  assert.ok(performance.now() - started < 20_000, "at once, not at the end of some limit");
  assert.deepEqual([store.settled, await files(), log.facts, queue.spoolTrouble()], [[], [], [], null]);
});

test("a claim that was lost settles nothing, and leaves only what the store still wants", async (t) => {
  const origin = await serve(t, give(jpeg(2)));
  const { run, store, files } = await openDownloads(t);
  store.lost = true;
  store.spooled = [{ mediumId: "med_2", uploads: false }];
  for (let round = 1; round <= 2; round++) assert.equal(await run(origin, { kind: "thumbnail" }), null);
  assert.deepEqual(await files(), ["med_2.file", "med_2.part.json"]);
});

test("a claim that was lost leaves the whole file of a film that came to nothing elsewhere, and that is taken up", async (t) => {
  const { run, store, files } = await openDownloads(t);
  store.lost = true;
  store.failed.add("med_2");
  const origin = await serve(t, give(film));
  for (let round = 1; round <= 2; round++) assert.equal(await run(origin), null);
  assert.deepEqual(await files(), ["med_2.file", "med_2.part.json"]);
  assert.deepEqual(store.spooled, [{ mediumId: "med_2", uploads: false }]);
});

test("trouble of our own is tried again in ten seconds, is no failure, uses up no attempt and never expires", async (t) => {
  let requests = 0;
  const origin = await serve(t, (request, response) => {
    requests++;
    give(film)(request, response);
  });
  const deadline = Date.now() - 1_000;
  const expectOwn = async (subject: Awaited<ReturnType<typeof openDownloads>>, words: RegExp) => {
    const outcome = await subject.run(origin, { deadline, attempts: 50 });
    errorOf(outcome, "retry", words);
    assert.equal((outcome as { own?: boolean }).own, true);
    const wait = (outcome as { at: number }).at - subject.ports.clock.now();
    assert.ok(wait > 9_000 && wait <= 10_000, String(wait));
    assert.match(subject.queue.spoolTrouble() ?? "", words);
    assert.deepEqual(subject.log.facts.filter(({ level }) => level === "error").length, 1);
  };
  await expectOwn(
    await openDownloads(t, { config: { minFreeDisk: 2 ** 60 } }),
    /too little room in .*: \d+ bytes are free, mirror\.minFreeDisk keeps \d+; free some/,
  );
  const blocked = await openDownloads(t);
  await mkdir(spoolPaths(blocked.spoolDir, "med_1").part, { recursive: true });
  await expectOwn(blocked, /spool: /);
  assert.equal(requests, 0, "the link was not even asked");
});

test("403 and 404 soon after the event are not ready yet; later they are failures", async (t) => {
  const origin = await serve(t, (request, response) => void response.writeHead(Number(request.url!.slice(1))).end());
  const { run, log } = await openDownloads(t);
  const level = async (status: number, age: number) => {
    const outcome = await run(`${origin}/${status}`, { receivedAt: Date.now() - age });
    const { error } = outcome as Extract<DownloadOutcome, { is: "retry" }>;
    return [/: not ready yet$/.test(error), log.facts.at(-1)?.level, log.facts.at(-1)?.fact];
  };
  assert.deepEqual(await level(404, 0), [true, "info", "media not ready yet"]);
  assert.deepEqual(await level(403, 9 * 60_000), [true, "info", "media not ready yet"]);
  assert.deepEqual(await level(404, 11 * 60_000), [false, "warn", "media not mirrored yet"]);
  assert.deepEqual(await level(500, 0), [false, "warn", "media not mirrored yet"]);
  errorOf(await run(`${origin}/404`, { receivedAt: Date.now(), deadline: Date.now() }), "expired", /not ready yet/);
});

test("what an event says of a film's length is compared with the film", async (t) => {
  const origin = await serve(t, give(mp4({ seconds: 12.5 })));
  const { run } = await openDownloads(t);
  assert.equal(spooled(await run(origin, { duration: 12.6 })).suspect, null);
  assert.equal(spooled(await run(origin, { duration: 60 })).suspect, "it plays 12.5 s, but 60 s were announced");
});
