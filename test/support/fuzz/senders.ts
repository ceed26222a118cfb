import { sha256Of } from "../bytes.ts";
import { seededRandom } from "../random.ts";
import { type Case, MAX_BODY } from "./case.ts";
import type { Ground } from "./ground.ts";
import { judgeBody, judgeReply, type Reply } from "./oracle.ts";
import { makeCase } from "./requests.ts";
import { openWire, sendAlone, type Wire } from "./wire.ts";

/** What the senders remember, for the audit at the end. */
export type Ledger = {
  problems: string[];
  /** Cases begun so far. */
  begun: number;
  statuses: Map<string, number>;
  /** The bodies that were answered 200, by the id they were given. */
  taken: Map<string, { sha256: string; videoId: string; status: string }[]>;
  /** Ids that were given to something mutated; and how often something mutated got no answer. */
  guessed: Set<string>;
  unanswered: number;
  /** Whole bodies of the first events that were accepted, to be compared with what is delivered. */
  kept: Map<string, Uint8Array>;
  /** The bodies that went into quarantine. */
  quarantined: Map<string, string>;
};

/** So many connections send at once. */
const SENDERS = 16;

const KEPT_BODIES = 4_000;
const LARGEST_KEPT = 8_000;

/** Sends the cases with these numbers. `pause` holds the senders back for as long as it says. */
export async function sendCases(given: {
  seed: string;
  numbers: { from: number; until: number };
  port: number;
  ground: Ground;
  ledger: Ledger;
  pause: () => Promise<void>;
}): Promise<void> {
  const { ledger, numbers } = given;
  let next = numbers.from;
  async function sender(): Promise<void> {
    const wire = openWire(given.port);
    try {
      while (next < numbers.until && ledger.problems.length < 50) {
        const number = next++;
        ledger.begun++;
        const one = makeCase(seededRandom(`${given.seed} ${number}`), given.ground);
        const why = await sendCase(one, given.port, wire, ledger);
        if (why !== null) ledger.problems.push(describe(number, one, why));
        if (number % 50 === 0) await given.pause();
      }
    } finally {
      wire.close();
    }
  }
  await Promise.all(Array.from({ length: SENDERS }, sender));
}

/** Why the answer to a case is wrong; null: it is right. */
async function sendCase(one: Case, port: number, wire: Wire, ledger: Ledger): Promise<string | null> {
  let replies: Reply[];
  const isWhole = one.expects.is === "webhook" || one.expects.is === "one of" || one.expects.is === "documented";
  try {
    if (one.alone === null) replies = [await wire.ask(one.bytes, one.method)];
    else {
      const heard = await sendAlone(port, { ...one, pieces: one.alone.pieces, isWhole });
      if (heard.garbage) return "something came that is no HTTP";
      replies = heard.replies;
    }
  } catch (error) {
    return (error as Error).message;
  }
  count(ledger, replies.length === 0 ? "silence" : replies.map(({ status }) => status).join("+"));
  for (const reply of replies) {
    const why = judgeReply(reply, one.method);
    if (why !== null) return why;
  }
  return judgeReplies(one, replies, ledger);
}

function judgeReplies(one: Case, replies: Reply[], ledger: Ledger): string | null {
  const [reply, second] = replies;
  // What a mutation has cut in two may be two requests.
  if (second !== undefined && one.expects.is !== "anything")
    return `two answers, ${reply!.status} and ${second.status}, to what is one request at most`;
  const { expects } = one;
  if (reply === undefined) {
    if (expects.is === "anything") ledger.unanswered++;
    return expects.is === "refused" || expects.is === "anything" ? null : "no answer";
  }
  const { status } = reply;
  switch (expects.is) {
    case "refused":
      return status >= 400 ? null : `${status}, though it cannot be trusted`;
    case "one of":
      return expects.statuses.includes(status) ? null : `${status} instead of ${expects.statuses.join(" or ")}`;
    case "documented":
    case "anything":
      return status === 200 && isAcknowledgement(reply) ? judgeTaken(one, reply, ledger) : null;
    case "webhook":
      if (status === 403) return expects.sender === "allowed" ? "403 for an allowed sender" : null;
      if (expects.sender === "refused") return `${status} for a sender that is not allowed`;
      return status === 200 ? judgeTaken(one, reply, ledger) : judgeRefused(one, reply, ledger);
  }
}

function isAcknowledgement({ body }: Reply): boolean {
  return /^\{"id":"evt_/.test(body.toString("latin1", 0, 20));
}

/** A 200 is for an event only. */
function judgeTaken(one: Case, reply: Reply, ledger: Ledger): string | null {
  const answer = JSON.parse(reply.body.toString()) as { id?: unknown; status?: unknown };
  if (typeof answer.id !== "string" || !/^evt_[0-9a-z]+$/.test(answer.id)) return `a 200 with the id ${answer.id}`;
  if (answer.status !== "accepted" && answer.status !== "duplicate") return `a 200 that says ${answer.status}`;
  if (one.body === null && one.expects.is === "anything") {
    // Which bytes it was taken for is not known; they are judged where they are stored.
    ledger.guessed.add(answer.id);
    ledger.taken.set(answer.id, ledger.taken.get(answer.id) ?? []);
    return null;
  }
  if (one.body === null) return "200 for what is no webhook";
  const judged = judgeBody(one.body);
  if ("code" in judged) return `200 for a body that is ${judged.code}`;
  const known = ledger.taken.get(answer.id) ?? [];
  known.push({ sha256: sha256Of(one.body), videoId: judged.id, status: answer.status });
  if (answer.status === "accepted" && ledger.kept.size < KEPT_BODIES && one.body.length < LARGEST_KEPT)
    ledger.kept.set(answer.id, one.body);
  ledger.taken.set(answer.id, known);
  return null;
}

function judgeRefused(one: Case, reply: Reply, ledger: Ledger): string | null {
  const { error } = JSON.parse(reply.body.toString()) as { error: { code: string; quarantineId?: string } };
  const judged = judgeBody(one.body!);
  if (!("code" in judged)) return `${reply.status} ${error.code} for an event with the id ${JSON.stringify(judged.id)}`;
  if (reply.status === 413 && error.code === "body_too_large" && growsBeyondLimit(one)) return null;
  if (reply.status !== 400 || error.code !== judged.code)
    return `${reply.status} ${error.code} instead of 400 ${judged.code}`;
  if (!/^qrn_[0-9a-z]+$/.test(error.quarantineId ?? "")) return `quarantineId is ${error.quarantineId}`;
  ledger.quarantined.set(error.quarantineId!, sha256Of(one.body!));
  return null;
}

/** What names itself UTF-16 and is no JSON is read as that, and may be larger in UTF-8 than a body may be. */
function growsBeyondLimit({ bytes, body }: Case): boolean {
  const head = Buffer.from(bytes.subarray(0, bytes.length - body!.length)).toString("latin1");
  return /charset=utf-16/i.test(head) && Buffer.byteLength(new TextDecoder("utf-16le").decode(body!)) > MAX_BODY;
}

function count(ledger: Ledger, what: string): void {
  ledger.statuses.set(what, (ledger.statuses.get(what) ?? 0) + 1);
}

function describe(number: number, one: Case, why: string): string {
  const shown = Buffer.from(one.bytes.subarray(0, 600)).toString("latin1");
  const more = one.bytes.length > 600 ? ` … (${one.bytes.length} bytes)` : "";
  return `case ${number} (${one.about}): ${why}\n    sent: ${JSON.stringify(shown)}${more}`;
}
