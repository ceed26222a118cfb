import Database from "better-sqlite3";
import type { Store } from "../../src/store/store.ts";

// The plans of all statements that SQLite is given: each step is a search by an index, or one of these.

/** Steps that are bounded, whatever is stored; each with the reason. */
const BOUNDED: [RegExp, string][] = [
  [/^SCAN (d|deliveries) USING (COVERING )?INDEX deliveries_running/, "what is under way"],
  [/^SCAN (m|media) USING (COVERING )?INDEX (media_due|media_deadline|media_off)/, "downloads that have not ended"],
  [/^SCAN quarantine USING COVERING INDEX quarantine_|^SCAN q: .* ORDER BY q\.id DESC LIMIT/, "bounded in bytes"],
  [/^SCAN e USING INDEX (events_disguised|events_received): .* LIMIT/, "an index of what matches, in order"],
  [/^SCAN d USING (COVERING )?INDEX (deliveries_dead|deliveries_replaying): .* LIMIT/, "what matches, in order"],
  [/^SCAN m USING INDEX media_suspect: .* LIMIT/, "what matches, in order"],
  [/^SCAN a USING INDEX annotations_found: .* LIMIT/, "what may match, in order: contexts that came later"],
  [/^SCAN (d|m|v|a): .* WHERE 1 = 1 ORDER BY \w\.id DESC LIMIT/, "the newest, without any condition"],
  [/^SCAN (p USING INDEX archive_parts_day|archive_parts|archive_files)$/, "a few files a day"],
  [/^SCAN (e|archive_erasures) USING COVERING INDEX archive_erasures_due/, "files that are to be written anew"],
  [/^SCAN moves USING INDEX moves_placed/, "copies on their way"],
  [/^SCAN moves USING INDEX moves_failed: DELETE /, "what the last task could not move"],
  [/^SCAN sessions$/, "a number of them is kept"],
  [/^SCAN link_secrets\b/, "fifty are valid at most, and those that have ended are removed"],
  [/^SCAN (alarms|receivers|silences)$/, "as many as alarms stand or are silenced, and as the config has receivers"],
  [/^SCAN (CONSTANT ROW|h|counters|c|epochs|targets|endpoints|backups|sqlite_schema|titles_reached)$/, "a few rows"],
  [/^SCAN \d+-ROW VALUES CLAUSE$/, "rows that are added"],
  [/^SCAN m: .* FROM media WHERE host = .* LIMIT 500\) m |^SCAN b: .* LIMIT 1000\) b\) /, "what a LIMIT inside leaves"],
  [/^SCAN t VIRTUAL TABLE/, "the index of titles"],
  [/^SCAN (d|t): .* FROM titles_due /, "titles that have changed in the last seconds"],
  [/^SCAN tasks USING INDEX tasks_open|^SCAN t: .* FROM tasks t /, "what operators asked for"],
  [/^SCAN transfers: UPDATE transfers SET /, "copies on their way, at a start and when the clock has jumped"],
  [
    /^SCAN deliveries USING INDEX (deliveries_lane|deliveries_due|deliveries_turn): UPDATE /,
    "what has not ended, at a start and when the clock has jumped",
  ],
];

/** What is sorted without an index, by the first step of its plan, or by that and its statement. */
const SORTED: [RegExp, string][] = [
  [/^SCAN (d|deliveries) USING INDEX deliveries_running/, "what is under way"],
  [
    /^SEARCH e USING (COVERING )?INDEX events_video \(video=\?( AND sequence>\?)?\)|^MERGE .* LEFT; SEARCH e USING INDEX events_video /,
    "events of one video",
  ],
  [/^SEARCH (m|media) USING INDEX media_live \(video=\?\)|^SEARCH v USING .* m\.video = /, "media of one video"],
  [/^SEARCH (m USING INDEX media_key|k USING PRIMARY KEY) \(key=\?\)/, "media of one key"],
  [/^SEARCH (d|deliveries) USING INDEX deliveries_lane \(video=\?/, "what waits of one video"],
  [
    /^SEARCH e USING INTEGER PRIMARY KEY \(rowid=\?\)|^MULTI-INDEX OR: .* id BETWEEN .* OR event = /,
    "deliveries of one event",
  ],
  [
    /^SEARCH m USING INDEX media_state \(state=\?\): .* m\.state IN \('pending', 'running'\)/,
    "downloads that have not ended",
  ],

  [
    /^(SCAN t VIRTUAL TABLE|SEARCH d USING INTEGER PRIMARY KEY) .* FROM titles.* ORDER BY \w\.(rowid|video) \+ 0 DESC LIMIT/,
    "videos of a title that few have, or between the first and the last of some",
  ],
  [
    /^SEARCH v USING INTEGER PRIMARY KEY .* v\.id > \(SELECT video FROM titles_reached\) /,
    "videos of the last seconds",
  ],
  [/^(SCAN|SEARCH) sessions\b/, "a number of them is kept"],
  [/SEARCH archive_videos USING PRIMARY KEY \(video=\?\)/, "files that have events of one video"],
  [/^SCAN (e|archive_erasures) USING COVERING INDEX archive_erasures_due/, "files that are to be written anew"],
  [/^CO-ROUTINE m: .* LIMIT 500\) m /, "what a LIMIT inside leaves"],
  [/^SCAN a USING INDEX annotations_found: .* GROUP BY d\.endpoint HAVING/, "deliveries of one event"],
  [
    /^SEARCH deliveries USING INDEX deliveries_tried \(.*: .* ORDER BY tried_at, due, id LIMIT/,
    "those of one millisecond",
  ],
];

/** Rows between two numbers, where nothing but the numbers is asked, or where they are few. */
const SPANS: [RegExp, string][] = [
  [
    / WHERE (1 = 1 AND )?((\w\.)?id [<>]=? (\+\?|\d+)( AND )?)+(e\.dialect <> 'notice'|1 = 1|CASE .* = 'settled')?( AND 1 = 1)*( ORDER BY (\w\.)?id( ASC| DESC)?)? LIMIT /,
    "the next ones",
  ],
  [/^SELECT (min|max)\(id\) AS id FROM \w+ WHERE id [<>]=? \S+$/, "the next one"],
  [/ FROM quarantine /, "bounded in bytes"],
  [/ FROM titles_due /, "titles that have changed in the last seconds"],
  [/ FROM videos v WHERE .*v\.id > \(SELECT video FROM titles_reached\) /, "videos of the last seconds"],
  [
    /^(DELETE|SELECT d\.id, d\.settled_at) FROM deliveries (d )?WHERE (d\.)?id > \+\? AND (d\.)?id <= \+\?( ORDER BY d\.id)?$/,
    "deliveries of one event",
  ],
];

/** Notes every statement that is prepared from now on, until `end`, which gives their texts. */
export function recordStatements(): { end(): string[] } {
  const { prototype } = Database as unknown as { prototype: { prepare(text: string): unknown } };
  const { prepare } = prototype;
  const texts = new Set<string>();
  prototype.prepare = function (this: unknown, text: string) {
    texts.add(text.replace(/\s+/g, " ").trim());
    return prepare.call(this, text);
  };
  return {
    end() {
      prototype.prepare = prepare;
      return [...texts];
    },
  };
}

/** A store that notes the names of the verbs that are called. */
export function noteCalls(store: Store, called: Set<string>): Store {
  const noting = <Verbs extends object>(verbs: Verbs): Verbs =>
    new Proxy(verbs, {
      get(target, name, receiver) {
        called.add(String(name));
        return Reflect.get(target, name, receiver);
      },
    });
  return noting({ ...store, backups: noting(store.backups) });
}

/** What in the plan of a statement grows with what is stored, each with the statement. */
export function faultsOf(db: Database.Database, text: string): string[] {
  const values = text.match(/\?/g)?.map(() => 1) ?? [];
  const rows = db.prepare<number[], { detail: string }>(`EXPLAIN QUERY PLAN ${text}`).all(...values);
  const steps = rows.map(({ detail }) => detail);
  const isAmong = (known: [RegExp, string][], step: string) =>
    known.some(([one]) => one.test(step) || one.test(`${step}: ${text}`));
  const faults = steps.filter((step, at) => {
    if (/AUTOMATIC/.test(step)) return true;
    if (/^SCAN/.test(step)) return !isAmong(BOUNDED, step);
    if (/^USE TEMP B-TREE/.test(step)) return !isAmong(SORTED, steps[0]!) && !isAmong(SORTED, steps.join("; "));
    return at === 0 && /USING INTEGER PRIMARY KEY \(rowid[<>]/.test(step) && !isAmong(SPANS, text);
  });
  return faults.map((step) => `${step} | ${steps.join("; ")} | ${text}`);
}
