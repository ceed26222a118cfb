/** A link of a page: the line it is on, and where it leads, as written. */
export type PageLink = { line: number; target: string };

/** What is read of a page of Markdown: enough to check links and citations, not to render it. */
export type Page = {
  /** The text of each heading, without marks. */
  headings: string[];
  /** The anchors that GitHub gives to the headings, without `#`. */
  anchors: Set<string>;
  links: PageLink[];
  /** What stands between single backticks. */
  codes: PageLink[];
};

/** Reads a page. Code blocks, fenced and indented, hold no headings and no links. */
export function readPage(text: string): Page {
  const page: Page = { headings: [], anchors: new Set(), links: [], codes: [] };
  const used = new Map<string, number>();
  let fence: string | null = null;
  let isAfterBlank = true;
  let isIndented = false;
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1] ?? null;
    if (fence !== null) {
      if (mark?.startsWith(fence) && line.trim() === mark) fence = null;
      continue;
    }
    // An indented block begins after a blank line; an indented line elsewhere goes on with a paragraph or a list.
    isIndented = /^( {4}|\t)/.test(line) && (isIndented || isAfterBlank);
    isAfterBlank = line.trim() === "";
    if (isIndented) continue;
    if (mark !== null) {
      fence = mark;
      continue;
    }
    const heading = /^ {0,3}#{1,6}\s+(.*?)(?:\s+#+)?\s*$/.exec(line)?.[1];
    if (heading !== undefined) addHeading(page, plainText(heading), used);
    addInline(page, line, at + 1);
  }
  return page;
}

function addHeading(page: Page, heading: string, used: Map<string, number>): void {
  const slug = slugOf(heading);
  const count = used.get(slug) ?? 0;
  used.set(slug, count + 1);
  page.headings.push(heading);
  page.anchors.add(count === 0 ? slug : `${slug}-${count}`);
}

function addInline(page: Page, line: string, at: number): void {
  const withoutCode = line.replace(/(`+)(.+?)\1/g, (_, marks: string, code: string) => {
    if (marks.length === 1) page.codes.push({ line: at, target: code.trim() });
    return "``";
  });
  const links = /\]\(\s*<?([^\s)>]+)>?(?:\s+"[^"]*")?\s*\)|^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)>?/g;
  for (const [, inline, defined] of withoutCode.matchAll(links)) {
    page.links.push({ line: at, target: (inline ?? defined)! });
  }
}

/** A heading without code marks, emphasis and the targets of links. */
function plainText(heading: string): string {
  return heading
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/(`+)(.+?)\1/g, "$2")
    .replace(/(\*{1,3})(.+?)\1/g, "$2")
    .trim();
}

/** GitHub's rule: lower case; letters, digits, `_` and `-` stay; each space becomes `-`. */
function slugOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, "")
    .replaceAll(" ", "-");
}
