import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { request } from "undici";
import { runProgram } from "../processes.ts";
import { spreadId } from "./bodies.ts";

/** What a stretch of load came to. Times are milliseconds. */
export type Load = { answered: number; perSecond: number; p50: number; p99: number };

type Result = {
  requests: number;
  microseconds: number;
  p50: number;
  p99: number;
  max: number;
  refused: number;
  broken: number;
};

const SCRIPT = fileURLToPath(new URL("bodies.lua", import.meta.url));

/** Each stretch of load posts ids of its own. */
let runs = Date.now() % 2 ** 20;

/** Rejects with what to do when wrk is missing. */
export async function needWrk(): Promise<void> {
  // wrk -v prints its version and fails.
  const missing = await runProgram("wrk", ["-v"]).catch((error) => (error.code === "ENOENT" ? error : null));
  if (missing instanceof Error) throw new Error("wrk is missing: apt-get install wrk (https://github.com/wg/wrk)");
}

/**
 * Posts events, each with a body of its own, over so many connections for so long. One thread makes them, so that on a
 * small machine the server keeps a processor for itself. Ids begin with the time, as those of the provider's kind of
 * database do; "spread" ones come in no order. Any answer but 2xx is an error.
 */
export async function postEvents(
  url: string,
  given: { connections: number; seconds: number; template: string; ids?: "spread" },
): Promise<Load> {
  const { connections, seconds, template, ids } = given;
  const wrk = ["-t", "1", "-c", String(connections), "-d", `${seconds}s`, "--timeout", "20s", "-s", SCRIPT, url];
  const printed = await runProgram("wrk", [...wrk, "--", template, String(++runs), ids ?? ""]);
  const line = /^RESULT (.*)$/m.exec(printed)?.[1];
  if (line === undefined) throw new Error(`wrk said nothing: ${printed.slice(0, 200)}`);
  const result = JSON.parse(line) as Result;
  const { requests, refused, broken } = result;
  if (refused + broken > 0 || requests === 0) {
    const problem = `of ${requests} requests ${refused} were refused and ${broken} broke off`;
    throw new Error(`${problem}; one more ${await postOneMore(url, template)}`);
  }
  return {
    answered: requests,
    perSecond: requests / (result.microseconds / 1e6),
    p50: result.p50 / 1000,
    p99: result.p99 / 1000,
  };
}

/** wrk counts refusals and forgets them: what the server says to one more event may tell why. */
async function postOneMore(url: string, template: string): Promise<string> {
  const body = readFileSync(template, "utf8").replaceAll("\0", spreadId(++runs, 0));
  try {
    const answer = await request(url, { method: "POST", headers: { "content-type": "application/json" }, body });
    return `is answered ${answer.statusCode}: ${(await answer.body.text()).slice(0, 300)}`;
  } catch (error) {
    return `breaks off: ${error instanceof Error ? error.message : error}`;
  }
}
