import { appendFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { readLog } from "./log.ts";

// A reader of the feed, as a process that may be killed at any moment: `reader.ts URL QUERY TOKEN FILE`. What it has got, and the
// cursor of what follows, are one line of the file, written at once: so a kill comes before both or after both, and what it
// got before the line was written, it gets again.

const [url, query, token, file] = process.argv.slice(2) as [string, string, string, string];

let { cursor } = readLog(file);
for (;;) {
  try {
    const answer = await fetch(`${url}/api/v1/events?after=${cursor}&${query}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
    const { data, next } = (await answer.json()) as { data: { id: string }[]; next: string };
    appendFileSync(file, `${JSON.stringify({ ids: data.map(({ id }) => id), cursor: next })}\n`);
    cursor = next;
  } catch (error) {
    // The relay is away for a moment.
    process.stderr.write(`${error}\n`);
    await sleep(20);
  }
}
