import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { decodeSecret, generateKeyPair, generateSecret } from "../../src/config/webhook-secret.ts";
import { createSigner } from "../../src/forward/signature.ts";
import { systemRandom } from "../../src/platform/runtime.ts";
import { tempFolder } from "../support/folder.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo, startRelay } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";
import { LANGUAGES, type Language, missing, start } from "./languages.ts";
import { readSnippets } from "./snippets.ts";

// The programs of docs/CONSUME.md, as they are printed there, behind real deliveries of the relay.

const random = systemRandom();
const snippets = readSnippets();
const EVENTS = 3;

type Secrets = { secret: string; verifiedBy: string };

/** A secret of each kind, and what its consumer has. */
const KINDS: Record<string, () => Secrets> = {
  hmac() {
    const secret = generateSecret(random);
    return { secret, verifiedBy: secret };
  },
  ed25519() {
    const { secret, publicKey } = generateKeyPair(random);
    return { secret, verifiedBy: publicKey };
  },
};

/** The app of a snippet, as a process of its own, which accepts what is signed by one of the keys. */
async function startApp(t: TestContext, name: string, keys: string[]): Promise<string> {
  const folder = tempFolder(t);
  const snippet = join(folder, name);
  writeFileSync(snippet, snippets.get(name)!);
  const child = start(LANGUAGES[languageOf(name)].app(snippet, folder), { KEYS: keys.join(" ") });
  let output = "";
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding("utf8").on("data", (text) => (output += text));
  const ended = new Promise((resolve) => child.once("close", resolve));
  t.after(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  void ended.then(() => (output += "it has ended"));
  const url = await waitFor(() => /http:\/\/127\.0\.0\.1:[1-9]\d*|it has ended/.exec(output)?.[0]);
  assert.match(url, /^http/, output);
  return url;
}

function languageOf(name: string): Language {
  return name.split(".").at(-1) as Language;
}

function kindOf(name: string): string {
  return Object.keys(KINDS).find((kind) => name.startsWith(kind))!;
}

test("the page has a program for each kind of secret in Node, PHP and Go, and for HMAC in Python", () => {
  const names = [...snippets.keys()].sort();
  const each = ["go", "mjs", "php"].flatMap((language) => [`hmac.${language}`, `ed25519.${language}`]);
  assert.deepEqual(names, [...each, "hmac_signature.py"].sort());
});

for (const name of snippets.keys()) {
  const kind = kindOf(name);
  test(`${name} of docs/CONSUME.md takes what the relay sends, and nothing else`, {
    skip: missing(languageOf(name)),
  }, async (t) => {
    const [{ secret, verifiedBy }, stranger] = [KINDS[kind]!(), KINDS[kind]!()];
    const app = await startApp(t, name, [stranger.verifiedBy, verifiedBy]);
    const one = await startApp(t, name, [verifiedBy]);
    const receiver = await openReceiver();
    t.after(() => receiver.close());
    // Three signatures, of which the last is the app's.
    const secrets = [generateSecret(random), generateKeyPair(random).secret, secret];
    const relay = await startRelay({
      endpoints: [
        endpointTo(app, { secret: secrets }),
        endpointTo(one, { id: "one", secret: secrets }),
        endpointTo(receiver.url, { id: "receiver", secret: secrets }),
      ],
    });
    t.after(() => relay.close());
    for (let n = 0; n < EVENTS; n++) {
      const body = JSON.stringify({ type: "draft.update", wochitVideoId: `v${n}`, title: "Š א 東 😀 \\u00e9", n: 1.0 });
      assert.equal((await fetch(relay.webhooks, { method: "POST", body })).status, 200);
    }
    const delivered = () => relay.ports.log.facts.filter(({ fact }) => fact === "delivered");
    await waitFor(() => delivered().length >= 3 * EVENTS);
    assert.deepEqual(
      delivered().filter(({ fields }) => fields.attempt !== 1),
      [],
    );
    assert.equal(delivered().filter(({ fields }) => fields.status === 204).length, 2 * EVENTS);

    const { headers: received, body } = receiver.requests[0]!;
    const headers = Object.fromEntries(
      Object.entries(received).filter(([header]) => /^(webhook-|content-type)/.test(header)),
    ) as Record<string, string>;
    const post = async (changes: Record<string, string | null>, sent: Uint8Array = body) => {
      const changed = Object.entries({ ...headers, ...changes }).filter(([, value]) => value !== null);
      const answer = await fetch(one, {
        method: "POST",
        headers: Object.fromEntries(changed) as Record<string, string>,
        body: sent,
      });
      await answer.arrayBuffer();
      return answer.status;
    };
    assert.equal(await post({}), 204, "the message as it came");

    const id = headers["webhook-id"]!;
    const now = Math.floor(Date.now() / 1000);
    const signed = (at: number, by = [secret]) => ({
      "webhook-timestamp": String(at),
      "webhook-signature": createSigner(by.map(decodeSecret))(id, at, body),
    });
    assert.equal(await post(signed(now - 200)), 204, "three minutes old");
    assert.equal(await post(signed(now + 200)), 204, "three minutes ahead");
    assert.equal(await post(signed(now, [secret, secrets[0]!, secrets[1]!])), 204, "the first of three signatures");

    const right = signed(now)["webhook-signature"];
    const changedBody = Buffer.from(body);
    changedBody[changedBody.length - 2]! ^= 1;
    const refused: Record<string, Promise<number>> = {
      "a signature by another secret": post(signed(now, [stranger.secret])),
      "signatures by others only": post(signed(now, secrets.slice(0, 2))),
      "a signature of another time": post({ "webhook-timestamp": String(now + 1), "webhook-signature": right }),
      "a signature of another id": post({ ...signed(now), "webhook-id": "evt_other" }),
      "a cut signature": post({ ...signed(now), "webhook-signature": right.slice(0, -8) }),
      "an empty signature": post({ ...signed(now), "webhook-signature": right.slice(0, right.indexOf(",") + 1) }),
      "a signature under another version": post({ ...signed(now), "webhook-signature": right.replace(/^v1a?/, "v2") }),
      "a signature without a version": post({
        ...signed(now),
        "webhook-signature": right.slice(right.indexOf(",") + 1),
      }),
      "a signature that is no base64": post({ ...signed(now), "webhook-signature": right.replace(/,.*/, ",?") }),
      "a changed body": post({}, changedBody),
      "a body with a space more": post({}, Buffer.concat([body, Buffer.from(" ")])),
      "no body": post({}, Buffer.alloc(0)),
      "a message that is seven minutes old": post(signed(now - 420)),
      "a message that is seven minutes ahead": post(signed(now + 420)),
      "a time that is none": post({ "webhook-timestamp": "soon" }),
      "no id": post({ "webhook-id": null }),
      "no time": post({ "webhook-timestamp": null }),
      "no signature": post({ "webhook-signature": null }),
    };
    for (const [what, status] of Object.entries(refused)) assert.equal(await status, 401, what);
  });
}
