import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inspectConfig } from "../../../src/config/load.ts";
import { type Account, may, ownerName, readAccount } from "../../../src/doctor/files/permissions.ts";
import { judgeSecrets } from "../../../src/doctor/files/secrets.ts";
import { byPart, dataUsedBy, inWords, makeDataFolder, stranger } from "../../support/doctor.ts";
import { tempFolder } from "../../support/folder.ts";
import { callCli } from "../../support/spawn.ts";

test("rights are judged by owner, group and others, in this order", () => {
  const account: Account = { uid: 100, gid: 200, name: "relay", groups: new Set([200, 300]) };
  const rights = (uid: number, gid: number, mode: number) => ({ uid, gid, mode });
  assert.equal(may(account, "read", rights(100, 1, 0o400)), true);
  assert.equal(may(account, "read", rights(100, 200, 0o044)), false);
  assert.equal(may(account, "read", rights(1, 300, 0o640)), true);
  assert.equal(may(account, "write", rights(1, 300, 0o640)), false);
  assert.equal(may(account, "read", rights(1, 1, 0o640)), false);
  assert.equal(may(account, "write", rights(1, 1, 0o602)), true);
  assert.equal(may({ ...account, uid: 0 }, "write", rights(1, 1, 0)), true);
});

test("an account's name and groups come from the system's files, where they are there", async (t) => {
  const dir = tempFolder(t);
  const files = { passwd: join(dir, "passwd"), group: join(dir, "group") };
  writeFileSync(files.passwd, "root:x:0:0::/root:/bin/sh\nwochit-relay:x:998:997::/nonexistent:/usr/sbin/nologin\n");
  writeFileSync(files.group, "ssl-cert:x:110:www-data,wochit-relay\nwochit-relay:x:997:\nadm:x:4:syslog\n");
  const account = await readAccount({ uid: 998, gid: 500 }, files);
  assert.deepEqual(
    [account.name, [...account.groups].sort(), ownerName(account)],
    ["wochit-relay", [110, 500, 997], "wochit-relay:500"],
  );
  const unknown = await readAccount({ uid: 7, gid: 8 }, { passwd: "/nowhere", group: "/nowhere" });
  assert.deepEqual([unknown.name, [...unknown.groups]], ["7", [8]]);
  // Root has made the folder, and given it to the user alone: that makes the user no member of root's group.
  const given = await readAccount({ uid: 7, gid: 0 }, { passwd: "/nowhere", group: "/nowhere" });
  assert.deepEqual([[...given.groups], ownerName(given)], [[], "7"]);
  const known = await readAccount({ uid: 998, gid: 0 }, files);
  assert.deepEqual([[...known.groups].sort(), ownerName(known)], [[110, 997], "wochit-relay:997"]);
  assert.deepEqual([...(await readAccount({ uid: 0, gid: 0 }, files)).groups], [0]);
});

test("that other users may read the config and the secrets, or change them, is reported", async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, "config.json");
  writeFileSync(join(folder, "key"), "hush");
  const judge = async (mode: number, raw: object, keyMode = 0o600) => {
    writeFileSync(path, JSON.stringify(raw));
    chmodSync(path, mode);
    chmodSync(join(folder, "key"), keyMode);
    return byPart(judgeSecrets({ path, ...inspectConfig(path, { env: {}, cwd: folder }) }, [], null));
  };
  const withFile = { admin: { token: { file: "key" } } };
  const inline = { admin: { token: "hush" } };
  assert.match(inWords((await judge(0o644, {})).config), /^ok: .*mode 0644, holds no secret itself$/);
  assert.match(inWords((await judge(0o644, inline)).config), /^warning: .*can read the secrets in it$/);
  assert.match(inWords((await judge(0o640, inline)).config), /^ok/);
  assert.match(inWords((await judge(0o646, {})).config), /^failed: .*can change it$/);
  assert.match(inWords((await judge(0o600, withFile)).secrets), /^ok: 1 of them/);
  const [open] = (await judge(0o600, withFile, 0o644)).secrets!;
  assert.deepEqual([open!.state, open!.advice], ["warning", `chmod o-r ${join(folder, "key")}`]);
});

test("the token that the relay has made is looked at where the config has none", async (t) => {
  const dir = makeDataFolder(t);
  const token = join(dir, "admin-token");
  writeFileSync(token, "hush");
  chmodSync(token, 0o644);
  const looksAt = async (admin: object | null) => {
    const path = join(tempFolder(t), "config.json");
    writeFileSync(path, JSON.stringify({ dataDir: dir, admin }));
    return (await callCli(["doctor", "--offline", "--json", "--config", path])).stdout.includes(
      `${token} has mode 0644`,
    );
  };
  assert.equal(await looksAt({}), true);
  assert.equal(await looksAt({ token: "x".repeat(40) }), false);
  assert.equal(await looksAt(null), false);
});

test("a secret that the relay's user cannot read is a failure, though root can", async (t) => {
  const dir = makeDataFolder(t);
  const key = join(dir, "key.pem");
  writeFileSync(key, "", { mode: 0o600 });
  const { account } = await dataUsedBy(dir, stranger);
  const found = await byPart(judgeSecrets({ path: null, secrets: null }, [key], account));
  assert.match(inWords(found.secrets), /^failed: .*key\.pem has mode 0600: the relay's user relay cannot read it$/);
});

test("the advice for a secret is one that the relay's user gains by", async (t) => {
  const dir = makeDataFolder(t);
  const key = join(dir, "key.pem");
  writeFileSync(key, "", { mode: 0o600 });
  const adviceFor = async (gid: number | null) => {
    const { account } = await dataUsedBy(dir, { ...stranger, gid });
    const found = await byPart(judgeSecrets({ path: null, secrets: null }, [key], account));
    return found.secrets![0]!.advice;
  };
  assert.equal(await adviceFor(4_000_000), `chgrp 4000000 ${key}, and chmod 640 ${key}`);
  assert.equal(await adviceFor(null), `chown relay ${key}, and chmod 600 ${key}`);
});
