import { RelayError } from "../errors.ts";
import type { Mapping } from "../store/store.ts";
import { idProblem } from "../wochit/event.ts";

/**
 * Reads video ids and contexts from JSON (one object a line, or one list of objects) or CSV (RFC 4180, first line: names).
 * RelayError("usage") names the first row that is wrong.
 */
export function readMappings(bytes: Uint8Array): Mapping[] {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes).trim();
  } catch {
    throw new RelayError("usage", "the file is not UTF-8");
  }
  if (text.startsWith("[")) {
    return (parseJson(text, "the list") as unknown[]).map((row, at) => toMapping(row, `row ${at + 1}`));
  }
  if (text.startsWith("{")) {
    return text.split("\n").flatMap((line, at) => {
      const place = `line ${at + 1}`;
      return line.trim() === "" ? [] : [toMapping(parseJson(line, place), place)];
    });
  }
  const [names = [], ...rows] = parseCsv(text);
  return rows.map((cells, at) => {
    const row = Object.fromEntries(names.map((name, index) => [name.trim(), cells[index]]));
    return toMapping(row, `row ${at + 2}`);
  });
}

function toMapping(row: unknown, place: string): Mapping {
  const object = typeof row === "object" && row !== null ? (row as Record<string, unknown>) : {};
  const videoId = object.videoId ?? object.wochitVideoId;
  const context = object.context ?? object.videoContext;
  const problem = idProblem(videoId);
  if (problem !== null) throw new RelayError("usage", `${place} has no usable videoId: it ${problem}`);
  if (typeof context !== "string" || context === "") throw new RelayError("usage", `${place} has no context`);
  return { videoId: videoId as string, context };
}

function parseJson(text: string, place: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RelayError("usage", `${place} is not JSON`);
  }
}

/** Quoted cells may contain commas, line breaks and doubled quotes. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;
  let row: string[] = [];
  while (cell.lastIndex < text.length) {
    const at = cell.lastIndex;
    const match = cell.exec(text);
    if (!match)
      throw new RelayError("usage", `row ${rows.length + 1} is neither JSON nor CSV (near character ${at + 1})`);
    row.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? "");
    if (match[3] === ",") {
      if (cell.lastIndex === text.length) row.push("");
      else continue;
    }
    rows.push(row);
    row = [];
  }
  if (row.length > 0) rows.push(row);
  return rows.filter((cells) => cells.length > 1 || cells[0] !== "");
}
