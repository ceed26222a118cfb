import { RelayError } from "../../../errors.ts";
import type { LinkSecret } from "../../../model/link-secret.ts";
import type { LinkVerbs } from "../../access/links.ts";
import type { Work } from "../../verbs.ts";
import { apart, job, sql, type Tx } from "../tx.ts";

// The secrets that sign media links. One is valid that signs, or whose time has not come.

/** Each is tried on a link that is not valid. */
const MOST = 50;

type Row = { secret: Uint8Array; ends_at: number | null };

const VALID = sql<[number], Row>(
  "SELECT secret, ends_at FROM link_secrets WHERE ends_at IS NULL OR ends_at > ? ORDER BY id DESC",
);
const ADD = sql<[Uint8Array], unknown>(
  "INSERT INTO link_secrets (id, secret) SELECT coalesce(max(id), 0) + 1, ? FROM link_secrets",
);
const END = sql<[number, number], unknown>("UPDATE link_secrets SET ends_at = ? WHERE ends_at IS NULL OR ends_at > ?");
const ENDED = sql<[number], unknown>("SELECT 1 FROM link_secrets WHERE ends_at <= ? LIMIT 1");
const DROP = sql<[number], unknown>("DELETE FROM link_secrets WHERE ends_at <= ?");

type LinkWorks = { [Verb in keyof LinkVerbs]: Work<Parameters<LinkVerbs[Verb]>, Awaited<ReturnType<LinkVerbs[Verb]>>> };

export const linkWorks = {
  linkSecrets: () => job(read),
  ensureLinkSecret: {
    answer: () => job(async (tx) => nonEmpty(await read(tx))),
    run: (secret: Uint8Array) =>
      apart("link_secrets", async (tx) => {
        const found = nonEmpty(await read(tx));
        if (found === undefined) tx.write(ADD, [secret]);
        return found ?? read(tx);
      }),
  },
  rotateLinkSecret: ({ secret, keep }, now) => apart("link_secrets", (tx) => rotate(tx, secret, keep, now)),
} satisfies LinkWorks;

async function read(tx: Tx): Promise<LinkSecret[]> {
  return (await tx.all(VALID, [tx.now()])).map(({ secret, ends_at }) => ({ secret, endsAt: ends_at }));
}

const nonEmpty = (secrets: LinkSecret[]) => (secrets.length > 0 ? secrets : undefined);

async function rotate(tx: Tx, secret: Uint8Array, keep: number, now: number): Promise<void> {
  const until = now + keep;
  const valid = await tx.all(VALID, [now]);
  if (keep > 0 && valid.length >= MOST) {
    const first = Math.min(...valid.map(({ ends_at }) => ends_at ?? until));
    throw new RelayError(
      "conflict",
      `${MOST} secrets of links are valid, one of them until ${new Date(first).toISOString()}: wait for that, or end all with a keep of 0s`,
    );
  }
  tx.write(END, [until, until]);
  tx.write(ADD, [secret]);
}

/** Whether some have ended. */
export async function isAnyEnded(tx: Tx, now: number): Promise<boolean> {
  return (await tx.get(ENDED, [now])) !== undefined;
}

/** Removes those that have ended. */
export function dropEnded(tx: Tx, now: number): void {
  tx.write(DROP, [now]);
}
