import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { type Stage, VIDEO, withStage } from "../e2e/stage.ts";
import { tempFolder } from "../support/folder.ts";
import { send } from "../support/front-door.ts";
import { realPorts } from "../support/real-ports.ts";
import { setClock } from "../support/set-clock.ts";
import { callCli, callJson, finish, spawnCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

const DAY = 86_400_000;

/** A relay with one copy, whose clock the test sets, and what is done with the links to it. */
async function withCopy(run: (at: Copy) => Promise<void>): Promise<void> {
  const ports = realPorts();
  const clock = setClock(ports.clock);
  ports.clock = clock;
  await withStage({ admin: ADMIN }, (stage) => run(at(stage, clock)), ports);
}

const TOKEN = "a-token-of-the-operator-and-of-nobody";
const ADMIN = { listen: "127.0.0.1:0", token: TOKEN };

type Copy = ReturnType<typeof at>;

function at(stage: Stage, clock: ReturnType<typeof setClock>) {
  const { relay, provider, delivery } = stage;
  const config = ["--config", relay.configPath];
  return {
    ...stage,
    clock,
    run: (line: string) => callCli([...line.split(" "), ...config]),
    json: (line: string) => callJson([...line.split(" "), ...config]),
    /** The id of an event, and the link to its copy that the app got. */
    async first() {
      const thumbnailUrl = provider.addThumbnail(VIDEO).link();
      const { id } = await stage.send("video.ready", { videoUrl: provider.addVideo(VIDEO).link(), thumbnailUrl });
      return { id, link: linkIn(await delivery(id)) };
    },
    /** The link that a command shows now. */
    async shown(): Promise<string> {
      const media = await callJson(["media", "list", ...config]);
      return media.find(({ kind }) => kind === "video").url;
    },
    status: async (link: string) => {
      const answer = await fetch(link);
      await answer.arrayBuffer();
      return answer.status;
    },
  };
}

const linkIn = ({ json }: { json: { relay: { media: { video: { url: string } } } } }) => json.relay.media.video.url;

test("links are signed anew, those that were sent before are good until they end, and a replay sends the new one", async () => {
  await withCopy(async ({ relay, app, clock, run, json, first, shown, status }) => {
    const { id, link } = await first();
    assert.equal(await status(link), 200);

    const rotated = await run("media links rotate");
    assert.deepEqual([rotated.code, rotated.stderr], [0, ""]);
    assert.match(
      rotated.stdout,
      /^links have a new signature; those that were given out before stay valid until 2\d{3}-/,
    );
    const next = await shown();
    assert.notEqual(next, link);
    assert.deepEqual(await Promise.all([link, next].map(status)), [200, 200]);
    assert.equal(await status(`${link.slice(0, -43)}${"A".repeat(43)}`), 404);

    // As it says itself.
    const [, advice] = /events replay (--new-id --type .*) --until "/.exec(rotated.stdout)!;
    const until = /--until "([^"]+)"/.exec(rotated.stdout)![1]!;
    const words = ["events", "replay", ...advice!.split(" "), "--until", until, "--yes", "--config", relay.configPath];
    assert.equal((await callCli(words)).code, 0);
    const again = await waitFor(() => app.requests.find(({ json }) => json.relay.replay));
    assert.equal(again.json.relay.eventId, id);
    assert.notEqual(again.headers["webhook-id"], id, "an app that knows the id would pass it over");
    assert.equal(linkIn(again), next);

    clock.setAhead(30 * DAY - 60_000);
    assert.deepEqual(await Promise.all([link, next].map(status)), [200, 200]);
    clock.setAhead(30 * DAY + 60_000);
    assert.deepEqual(await Promise.all([link, next].map(status)), [404, 200]);
    clock.setAhead(0);

    assert.match((await run("media links rotate --keep 0s --yes")).stdout, /given out before have ended\n/);
    const last = await shown();
    assert.deepEqual(await Promise.all([link, next, last].map(status)), [404, 404, 200]);
    const entries = await json("audit list");
    const rotations = entries.filter(({ verb }) => verb === "media links rotate");
    assert.deepEqual(
      rotations.map(({ subject, outcome }) => [subject.replace(/at 2.*/, "at …"), outcome]),
      [
        ["earlier links end at once", "done"],
        ["earlier links end at …", "done"],
      ],
    );
    assert.ok(!relay.ports.log.facts.some(({ fields }) => JSON.stringify(fields).includes(link.slice(-43))));
  });
});

test("by the API the next link is signed anew, and a keep that is none is refused", async () => {
  await withCopy(async ({ relay, first, shown, status }) => {
    const { link } = await first();
    const listening = relay.ports.log.facts.find(({ fact }) => fact === "admin listening")!;
    const { port } = new URL(String(listening.fields.url));
    const headers = { authorization: `Bearer ${TOKEN}` };
    const ask = (method: string, path: string, body: object | null = null) =>
      send(Number(port), { method, path: `/api/v1${path}`, headers }, body === null ? "" : JSON.stringify(body));
    for (const keep of ["", "1", "-1s", "month", "99999d", `1${"0".repeat(60_000)}s`]) {
      const refused = await ask("POST", "/media/links/rotate", { keep });
      assert.deepEqual([refused.status, refused.json.error.code], [400, "bad_request"], keep);
      assert.ok(JSON.stringify(refused.json).length < 500, "what is refused is not repeated");
    }
    const { json } = await ask("POST", "/media/links/rotate", { keep: "0s" });
    assert.deepEqual([json.keptUntil, json.links], [null, "signed"]);
    const { data } = (await ask("GET", "/media")).json;
    const next = data.find(({ kind }: { kind: string }) => kind === "video").url;
    assert.notEqual(next, link);
    assert.deepEqual(await Promise.all([link, next].map(status)), [404, 200]);
    assert.equal(await shown(), next);
    const kept = (await ask("POST", "/media/links/rotate")).json;
    assert.equal(Date.parse(kept.keptUntil) - Date.parse(kept.rotatedAt), 30 * DAY);
  });
});

test("of copies in a bucket the command says that addresses which were led to live on for a while", async (t) => {
  await withCopy(async ({ relay }) => {
    const config = join(tempFolder(t), "config.json");
    const target = { type: "s3", bucket: "media", region: "eu-central-1", accessKeyId: "a", secretAccessKey: "b" };
    writeFileSync(config, JSON.stringify({ dataDir: join(relay.dir, "data"), mirror: { target } }));
    const { stdout } = await callCli(["media", "links", "rotate", "--keep", "0s", "--yes", "--config", config]);
    assert.match(stdout, /have ended\nan address in the bucket that a link has led to lives for up to 6 h more\n/);
  });
});

test("a rotation that is killed is done or not: no link that was ever shown is lost, over restarts too", async () => {
  await withCopy(async ({ relay, first, shown, status }) => {
    const { link } = await first();
    const given = new Set([link]);
    const begun = performance.now();
    assert.equal((await finish(spawnCli(["media", "links", "rotate", "--config", relay.configPath]))).code, 0);
    const took = performance.now() - begun;
    const rounds = 6;
    for (let round = 0; round <= rounds; round++) {
      const child = spawnCli(["media", "links", "rotate", "--config", relay.configPath]);
      const ended = finish(child);
      // The last one comes to its end.
      if (round < rounds) setTimeout(() => child.kill("SIGKILL"), (took * round) / rounds);
      await ended;
      if (round % 2 === 0) await relay.restart();
      given.add(await shown());
      for (const one of given) assert.equal(await status(one), 200);
    }
    assert.ok(given.size > 2);
  });
});

test("a restored database has the secrets of its backup", async (t: TestContext) => {
  await withCopy(async ({ relay, run, first, shown, status }) => {
    const { link } = await first();
    await run("media links rotate");
    const next = await shown();
    const folder = tempFolder(t);
    const file = join(folder, "backup.db");
    assert.equal((await run(`backup ${file}`)).code, 0);
    await relay.stop();
    for (const end of ["", "-wal", "-shm"]) rmSync(join(relay.config.dataDir, `relay.db${end}`), { force: true });
    assert.equal((await run(`restore ${file}`)).code, 0);
    await relay.restart();
    assert.deepEqual(await Promise.all([link, next].map(status)), [200, 200]);
    assert.equal(await shown(), next);
  });
});

test("the database has the secrets, and what is shown of a rotation has none", async () => {
  await withCopy(async ({ relay, run, first }) => {
    await first();
    const outputs = [];
    for (const line of ["media links rotate --json", "media links rotate", "audit list --json", "status --json"]) {
      const { stdout, stderr } = await run(line);
      outputs.push(stdout, stderr);
    }
    const db = new Database(join(relay.config.dataDir, "relay.db"), { readonly: true });
    const secrets = db.prepare<[], { secret: Buffer }>("SELECT secret FROM link_secrets").all();
    db.close();
    assert.equal(secrets.length, 3);
    const said = outputs.join("\n") + JSON.stringify(relay.ports.log.facts);
    for (const { secret } of secrets) {
      assert.equal(secret.length, 32);
      for (const form of ["hex", "base64", "base64url"] as const) assert.ok(!said.includes(secret.toString(form)));
    }
  });
});
