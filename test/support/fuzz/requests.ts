import type { Random } from "../../../src/ports.ts";
import { pick } from "../../../src/simulator/events.ts";
import { type Body, makeBody } from "./bodies.ts";
import { brokenRequest } from "./broken.ts";
import { type Case, type Head, inChunks, MAX_BODY, request, WEBHOOK } from "./case.ts";
import type { Ground } from "./ground.ts";
import { forwardedFor, randomHeaders } from "./heads.ts";
import { OTHER_PATHS, WEBHOOK_PATHS } from "./paths.ts";

/** Any request. */
export function makeCase(random: Random, ground: Ground): Case {
  const dice = random.float();
  if (dice < 0.7) return webhookPost(random, makeBody(random, ground));
  if (dice < 0.703) return tooLarge(random);
  if (dice < 0.86) return otherRequest(random, ground);
  return brokenRequest(random);
}

function webhookPost(random: Random, { about, bytes: body }: Body): Case {
  const { sender, head: from } = forwardedFor(random);
  const head: Head = [...randomHeaders(random), ...from, ["Host", "relay.test"]];
  const isChunked = random.float() < 0.15;
  head.push(isChunked ? ["Transfer-Encoding", "chunked"] : ["Content-Length", String(body.length)]);
  const alone = random.float() < 0.1 ? { pieces: 1 + Math.floor(random.float() * 6) } : null;
  if (alone) head.push(["Connection", "close"]);
  return {
    about: `${about}${isChunked ? ", in chunks" : ""}, sender ${sender}`,
    method: "POST",
    bytes: request(`POST ${WEBHOOK} HTTP/1.1`, head, isChunked ? inChunks(random, body) : body),
    body: meantBy(head, body),
    expects: { is: "webhook", sender },
    alone,
  };
}

/**
 * What a body is taken for: text in the character set that its head names, where that makes it JSON, else its bytes. A head that
 * names a content coding lies here, so that what is no JSON as it is cannot be read.
 */
function meantBy(head: Head, body: Uint8Array): Uint8Array {
  if (!head.some(([name, value]) => name === "Content-Type" && value.includes("utf-16"))) return body;
  if (head.some(([name, value]) => name === "Content-Encoding" && value !== "identity")) return body;
  try {
    const read = new TextDecoder("utf-16le", { fatal: true }).decode(body);
    JSON.parse(read);
    return Buffer.from(read);
  } catch {
    return body;
  }
}

function tooLarge(random: Random): Case {
  const size = pick(random, [MAX_BODY + 1, MAX_BODY + 5_000, 2 * MAX_BODY, 20 * MAX_BODY]);
  // Of the largest only the announcement is sent.
  const body = new Uint8Array(size > 2 * MAX_BODY ? 0 : size).fill(0x20);
  return {
    about: `a body of ${size} bytes`,
    method: "POST",
    bytes: request(
      `POST ${WEBHOOK} HTTP/1.1`,
      [
        ["Host", "relay.test"],
        ["Content-Length", String(size)],
        ["Connection", "close"],
      ],
      body,
    ),
    body: null,
    expects: { is: "one of", statuses: [413] },
    alone: { pieces: 1 },
  };
}

function otherRequest(random: Random, ground: Ground): Case {
  const method = pick(random, [
    "GET",
    "GET",
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "PROPFIND",
    "PURGE",
    "QUERY",
  ]);
  const body = method === "POST" || method === "PUT" ? makeBody(random, ground).bytes : null;
  const isWebhook = random.float() < 0.4;
  const [path, statuses] = isWebhook ? [pick(random, WEBHOOK_PATHS), null] : pick(random, OTHER_PATHS);
  const head: Head = [...randomHeaders(random).filter(([name]) => name !== "Expect"), ["Host", "relay.test"]];
  if (body) head.push(["Content-Length", String(body.length)]);
  const isPlain = method === "GET" || method === "HEAD";
  const isPreflight = method === "OPTIONS" && path.startsWith("/media");
  return {
    about: `${method} ${path.slice(0, 200)}`,
    method,
    bytes: request(`${method} ${path} HTTP/1.1`, head, body ?? new Uint8Array()),
    body: body && method === "POST" && isWebhook ? meantBy(head, body) : null,
    expects:
      isWebhook || statuses === null
        ? { is: "documented" }
        : {
            is: "one of",
            statuses: isPlain
              ? statuses
              : [404, 405, ...(statuses.includes(400) ? [400] : []), ...(isPreflight ? [204] : [])],
          },
    alone: null,
  };
}
