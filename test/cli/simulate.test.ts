import assert from "node:assert/strict";
import { test } from "node:test";
import { request } from "undici";
import { parse } from "../../src/cli/args.ts";
import { command } from "../../src/cli/commands/simulate.ts";
import type { Program } from "../../src/cli/program.ts";
import type { Config } from "../../src/config/schema.ts";
import { fastClock } from "../support/fast-clock.ts";
import { realPorts } from "../support/real-ports.ts";
import { openReceiver } from "../support/receiver.ts";
import { openTlsServer } from "../support/tls-server.ts";

/** Runs the command as the program would, and gives what it wrote and its exit code. */
async function simulate(argv: string[], { config, times = 5 }: { config?: Partial<Config>; times?: number } = {}) {
  const written = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr") => ({
    write(data: string | Uint8Array) {
      written[name] += String(data);
    },
    isTTY: false,
    columns: Number.POSITIVE_INFINITY,
  });
  const context = {
    // It is quiet after two seconds, or four tenths of one; with `times` of 1 the quiet is long enough for what comes meanwhile.
    ports: { ...realPorts(), clock: fastClock(times) },
    stdout: output("stdout"),
    stderr: output("stderr"),
    untilStopped: () => new Promise(() => {}),
    loadConfig: () => config,
  } as unknown as Program;
  const code = await command.run(context, parse(command, argv));
  return { ...written, code, lines: written.stdout.trim().split("\n") };
}

test("each event is one line, and the media stay up until they were fetched", async () => {
  const app = await openReceiver(({ json }) => {
    // A relay downloads later.
    setTimeout(async () => {
      for (const link of [json.videoUrl, json.thumbnailUrl]) await (await request(link)).body.dump({ limit: 2 ** 30 });
    }, 150);
    return { status: 200, body: '{"id":"evt_1","status":"accepted"}' };
  });
  try {
    const { code, lines, stderr } = await simulate([
      "video.ready",
      "--count",
      "2",
      "--context",
      "page-1",
      "--to",
      app.url,
    ]);
    assert.equal(code, 0);
    assert.equal(lines.length, 2);
    for (const line of lines)
      assert.match(line, /^video\.ready +[0-9a-f]{24} {2}200 {2}accepted {2}evt_1 {2}[\d.]+ ms$/);
    assert.match(stderr, /serving 4 media .*\nthe relay has fetched all 4 media\n$/);
    assert.deepEqual(
      app.requests.map(({ json }) => json.videoContext),
      ["page-1", "page-1"],
    );
  } finally {
    await app.close();
  }
});

test("a link that is asked for once more, after all were fetched, is still answered", async () => {
  const asked: (number | string)[] = [];
  const ask = async (link: string, headers = {}) => {
    const answer = await request(link, { headers }).catch((error) => ({
      statusCode: error.code,
      body: null,
      headers: {},
    }));
    await answer.body?.dump({ limit: 2 ** 30 });
    asked.push(answer.statusCode);
    return answer.headers as Record<string, string>;
  };
  const app = await openReceiver(({ json }) => {
    setTimeout(async () => {
      const { etag } = await ask(json.thumbnailUrl);
      // A later event announced it again, long before it has been quiet for long enough.
      setTimeout(() => ask(json.thumbnailUrl, { "if-none-match": etag }), 100);
    }, 100);
    return { status: 200, body: '{"id":"evt_1","status":"accepted"}' };
  });
  try {
    const { stderr } = await simulate(["draft.new", "--to", app.url], { times: 1 });
    assert.deepEqual(asked, [200, 304]);
    assert.match(stderr, /serving 1 media .*\nthe relay has fetched all 1 media\n$/);
  } finally {
    await app.close();
  }
});

test("a medium whose last request failed, or that changed since it was fetched, was not fetched", async () => {
  const app = await openReceiver(({ json }) => {
    if (json.type === "draft.new") void request(json.thumbnailUrl).then(({ body }) => body.dump());
    if (json.videoUrl !== undefined) void request(`${json.videoUrl}0`).then(({ body }) => body.dump());
    return { status: 200, delay: 100, body: '{"id":"evt_1","status":"accepted"}' };
  });
  try {
    const { stderr } = await simulate(["all", "--video-id", "v", "--linger", "5", "--to", app.url]);
    assert.match(
      stderr,
      /\n2 of 2 media were not fetched: \S+thumbnail\.jpg \(fetched before, not as it is now; 1 request\), \S+video\.mp4 \(never fetched whole; 2 requests\)\n$/,
    );
  } finally {
    await app.close();
  }
});

test("a whole life waits for its media before it ends, once", async () => {
  const seen: string[] = [];
  const app = await openReceiver(({ json }) => {
    seen.push(json.type ?? "legacy");
    // A relay downloads later.
    for (const link of [json.videoUrl, json.thumbnailUrl].filter(Boolean)) {
      setTimeout(async () => {
        await (await request(link)).body.dump({ limit: 2 ** 30 });
        seen.push("fetched");
      }, 150);
    }
    return { status: 200, body: '{"id":"evt_1","status":"accepted"}' };
  });
  try {
    const { code, stderr } = await simulate(["all", "--to", app.url]);
    assert.equal(code, 0);
    assert.equal(seen.filter((what) => what === "fetched").length, 7);
    assert.deepEqual(seen.slice(-3), ["fetched", "video.delete", "draft.delete"]);
    assert.equal(stderr.match(/serving 2 media/g)?.length, 1);
  } finally {
    await app.close();
  }
});

test("a relay whose certificate is not trusted here is said to have one", async (t) => {
  const server = await openTlsServer(t, "good");
  const { code, stderr } = await simulate(["draft.new", "--to", server.url]);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^the relay's certificate at localhost:\d+ is refused \([^\n]*(CERT|certificate)[^\n]*\): [\s\S]*set NODE_EXTRA_CA_CERTS to [^\n]*\n$/,
  );
});

test("with --json each event is an object, and a relay that fetches nothing is waited for as long as --linger", async () => {
  const app = await openReceiver({ status: 200, body: '{"id":"evt_2","status":"accepted"}' });
  try {
    const { code, lines, stderr } = await simulate([
      "all",
      "--json",
      "--legacy",
      "--video-id",
      "v",
      "--linger",
      "0",
      "--to",
      app.url,
    ]);
    assert.equal(code, 0);
    const [first, ...others] = lines.map((line) => JSON.parse(line));
    assert.equal(typeof first.ms, "number");
    assert.deepEqual(
      { ...first, ms: 0 },
      { type: "draft.new", videoId: "v", httpStatus: 200, id: "evt_2", status: "accepted", ms: 0 },
    );
    assert.deepEqual(
      others.map(({ type }) => type),
      ["draft.update", "draft.exit", "legacy", "video.failed", "video.delete", "draft.delete"],
    );
    assert.match(stderr, /2 of 2 media were not fetched/);
  } finally {
    await app.close();
  }
});

test("for a relay that refuses the sender a hint says once what to write where, with exit code 1", async () => {
  const app = await openReceiver({ status: 403, body: '{"error":{"code":"source_not_allowed","message":"…"}}' });
  try {
    const { code, lines, stderr } = await simulate(["draft.new", "--count", "3", "--to", app.url]);
    assert.equal(code, 1);
    assert.match(lines[2]!, /403 {2}source_not_allowed/);
    assert.equal(stderr.match(/"allowFrom": \["127\.0\.0\.1"\]/g)?.length, 1);
    assert.match(stderr, /"allowPrivateAddresses": \["127\.0\.0\.1"\]/);
    assert.match(stderr, /^Where the relay has a token \(receive\.token\), --to ends with it/m);
  } finally {
    await app.close();
  }
});

test("no relay there: said in one line, without a stack, with exit code 1", async () => {
  const app = await openReceiver();
  await app.close();
  const { code, lines, stderr } = await simulate(["draft.new", "--to", app.url]);
  assert.equal(code, 1);
  assert.match(lines[0]!, /not sent: connect ECONNREFUSED/);
  assert.match(stderr, new RegExp(`^no relay took this at 127\\.0\\.0\\.1:${app.port}: .*--to URL\\)\n$`));
});

test("without --to it goes where the config says that webhooks are taken, token included", async () => {
  const app = await openReceiver({ status: 200, body: '{"id":"evt_3","status":"accepted"}' });
  try {
    const config = {
      server: { listen: `0.0.0.0:${app.port}`, tls: null },
      receive: { path: "/hooks/w", tokens: ["t0ken", "old"] },
    } as unknown as Config;
    const { code } = await simulate(["draft.delete"], { config });
    assert.equal(code, 0);
    assert.equal(app.requests[0]?.path, "/hooks/w/t0ken");
  } finally {
    await app.close();
  }
});

test("words that mean nothing are refused with the nearest that does", async () => {
  const usage = (message: RegExp) => ({ code: "usage", message });
  await assert.rejects(simulate(["video.redy"]), usage(/did you mean "video\.ready"\?/));
  await assert.rejects(simulate(["video.ready", "--fault", "slwo"]), usage(/did you mean "slow"\?/));
  await assert.rejects(simulate(["draft.new", "--legacy"]), usage(/knows "video\.ready" only/));
  await assert.rejects(simulate(["draft.new", "--to", "localhost"]), usage(/--to must be a URL/));
  await assert.rejects(simulate([]), usage(/TYPE/));
});
