import assert from "node:assert/strict";
import { test } from "node:test";
import { createSessions, markOf } from "../../src/admin/sessions.ts";
import { RelayError } from "../../src/errors.ts";
import type { Session } from "../../src/store/access/sessions.ts";
import { testClock } from "../support/ports.ts";
import { realPorts } from "../support/real-ports.ts";
import { waitFor } from "../support/wait.ts";

const TOKEN = { name: "admin", can: "operate", token: "a-token-of-the-operator" } as const;

test("a session that ends while nothing can be committed has ended, and the store learns it later", async () => {
  const kept = new Map<string, Session>();
  let isFull = false;
  const store = {
    beginSession: async (session: Session) => void kept.set(session.hash, session),
    session: async (hash: string) => kept.get(hash) ?? null,
    async endSession(hash: string) {
      if (isFull) throw new RelayError("store_unavailable", "the disk is full");
      kept.delete(hash);
    },
  };
  const sessions = createSessions({ clock: testClock(), random: realPorts().random }, () => {});
  const at = { store, tokens: [TOKEN], address: "192.0.2.1", now: 0 } as never;
  const { id, session } = await sessions.begin({ name: TOKEN.name, mark: markOf(TOKEN.token) }, at);
  assert.equal((await sessions.find(id, at))?.name, "admin");
  isFull = true;
  await assert.rejects(sessions.end(session, store as never), { code: "store_unavailable" });
  assert.equal(await sessions.find(id, at), null);
  assert.equal(kept.size, 1);
  isFull = false;
  assert.equal(await sessions.find(id, at), null);
  await waitFor(() => kept.size === 0);
  assert.equal(await sessions.find(id, at), null);
});

test("all sessions have ended for this process, also where the store could not take that in; new ones hold", async () => {
  const kept = new Map<string, Session>();
  const store = {
    beginSession: async (session: Session) => void kept.set(session.hash, session),
    session: async (hash: string) => kept.get(hash) ?? null,
    endSession: async (hash: string) => void kept.delete(hash),
    async endSessions() {
      throw new RelayError("store_unavailable", "the disk is full");
    },
  };
  const sessions = createSessions({ clock: testClock(), random: realPorts().random }, () => {});
  const at = (now: number) => ({ store, tokens: [TOKEN], address: "192.0.2.1", now }) as never;
  const who = { name: TOKEN.name, mark: markOf(TOKEN.token) };
  const before = await sessions.begin(who, at(1_000));
  await assert.rejects(sessions.endAll(store as never, 2_000), { code: "store_unavailable" });
  assert.equal(await sessions.find(before.id, at(2_001)), null);
  await waitFor(() => kept.size === 0);
  const after = await sessions.begin(who, at(2_001));
  assert.equal((await sessions.find(after.id, at(2_002)))?.name, "admin");
});
