import { type Html, html, none, type Piece, raw } from "./html.ts";
import { icon, sprite, type Tone } from "./states.ts";

// What is around each page: the side, the search, whether it is live.

/** What a page shows. `under`: a line below its title; `shell`: the same for the command line; `live`: it renews itself. */
export type View = {
  title: string;
  heading?: Piece;
  crumbs?: Html;
  under?: Html;
  actions?: Piece;
  shell?: readonly string[];
  live?: boolean;
  notice?: Html;
  /** It shows pictures or films of copies. */
  hasCopies?: boolean;
  content: Html;
  /** Of the answer; 200 by default. */
  status?: 200 | 400 | 401 | 403 | 404 | 409 | 410 | 429 | 500 | 503;
};

/** Where a page belongs to, on the side. */
export type Section = (typeof SECTIONS)[number]["path"];

const SECTIONS = [
  { path: "/", name: "Overview", badge: null },
  { path: "/events", name: "Events", badge: null },
  { path: "/videos", name: "Videos", badge: null },
  { path: "/deliveries", name: "Deliveries", badge: { of: "dead", word: "dead", tone: "bad" } },
  { path: "/endpoints", name: "Endpoints", badge: { of: "failing", word: "open", tone: "bad" } },
  { path: "/media", name: "Media", badge: { of: "soon", word: "soon", tone: "warn" } },
  { path: "/quarantine", name: "Quarantine", badge: { of: "refused", word: "new", tone: "" } },
  { path: "/audit", name: "Audit", badge: null },
  { path: "/settings", name: "Settings", badge: null },
] as const;

/**
 * What waits for a person, by page: dead deliveries; endpoints that fail; media that are not secured and whose link dies soon;
 * what was refused of late. A number, or a text like "100+".
 */
export type Waiting = Record<"dead" | "failing" | "soon" | "refused", number | string>;

/** What the frame says beside the page. `theme`: null where the browser's own holds. */
export type Around = {
  section: Section | null;
  waiting: Waiting | null;
  zone: string;
  theme: "light" | "dark" | null;
  version: string;
  host: string;
  /** Null: it was asked for with a token, so that there is no login to end. */
  session: object | null;
  find: string;
  assets: Assets;
};

/** The addresses of the sheet, the script and the icon. */
export type Assets = { css: string; js: string; icon: string };

const MARK = raw(
  '<svg viewBox="0 0 20 20" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linejoin="round" stroke-linecap="round"><path d="M2 10h4l2.5-6 3 12L14 10h4"/></svg>',
);

function document(title: string, kind: string, content: Html, around: Pick<Around, "theme" | "assets">, live: boolean) {
  const { theme, assets } = around;
  return html`<!doctype html>
<html lang="en"${theme !== null && html` data-theme="${theme}"`}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · wochit-relay</title>
<link rel="stylesheet" href="${assets.css}">
<link rel="icon" href="${assets.icon}">
<script src="${assets.js}" defer></script>
</head>
<body${kind !== "" && html` class="${kind}"`}${live && html` data-live="/live"`}>
${sprite(String(content))}
${content}
</body>
</html>
`;
}

function links(current: Section | null, waiting: Waiting | null): Html {
  const rows = SECTIONS.map(({ path, name, badge }) => {
    const count = badge === null ? 0 : (waiting?.[badge.of] ?? 0);
    const isThere = badge !== null && count !== 0;
    const mark = isThere ? badgeOf(count, badge.word, badge.tone) : none;
    return html`<li><a href="${path}"${path === current && html` aria-current="page"`}>${name}${mark}</a></li>`;
  });
  return html`<ul>${rows}</ul>`;
}

const badgeOf = (count: number | string, word: string, tone: Tone) =>
  html`<span class="badge${tone && ` ${tone}`}">${count}<span class="sr"> ${word}</span></span>`;

/** A page as it is sent. */
export function frame(view: View, around: Around): Html {
  const { title, heading, crumbs, under, actions, shell, live = true, notice = none, content } = view;
  const { section, waiting, zone, theme, version, host, session, find } = around;
  const calls = Object.values(waiting ?? {}).filter((count) => count !== 0).length;
  const many = calls === 0 ? none : html`<span class="sr">, ${calls} of its pages have something for you</span>`;
  const logout = html`<form method="post" action="/logout"><button class="quiet tiny">Log out</button></form>`;
  const said = { crumbs, under, actions };
  const content_ = html`<a class="skip" href="#main">To the content</a>
<header class="side">
<a class="brand" href="/">${MARK}wochit-relay</a>
<details class="menu"><summary>${icon("menu")}Menu${many}</summary><nav aria-label="Pages, menu">${links(section, waiting)}<div class="foot">${session !== null && logout}</div></nav></details>
<nav class="pages" id="pages" data-part aria-label="Pages">${links(section, waiting)}</nav>
<div class="foot"><span>${version} on ${host}</span><span>Times in <span data-zone>${zone}</span></span><button type="button" class="quiet tiny" data-theme-switch hidden>Theme: ${theme ?? "system"}</button><button type="button" class="quiet tiny" data-keys hidden>Keys <kbd>?</kbd></button>${session !== null && logout}</div>
</header>
<main id="main" tabindex="-1">
<div class="top">
<form class="find" role="search" action="/find" method="get" aria-label="Find"><label class="sr" for="find">Find a video, context, title or id</label><input id="find" name="q" type="search" placeholder="Video, context, title or id" value="${find}" autocomplete="off" spellcheck="false"><kbd aria-hidden="true">/</kbd></form>
${live && html`<button type="button" class="quiet live" aria-pressed="true" data-live-switch hidden>${icon("live")}<span>Live</span></button>`}
</div>
${notice}
<div class="head"><div>${said.crumbs && html`<nav class="crumbs" aria-label="Where this is">${said.crumbs}</nav>`}<h1 id="title" data-part dir="auto">${heading ?? title}</h1>${said.under && html`<div class="soft" id="under" data-part>${said.under}</div>`}</div><div class="actions" id="acts" data-part>${said.actions ?? none}</div></div>
${content}
${shell && html`<details class="shell"><summary>The same in a shell</summary><pre tabindex="0" role="region" aria-label="Commands">${shell.join("\n")}</pre></details>`}
</main>`;
  return document(title, "", content_, around, live);
}

/** A page without the side: before a login. */
export const alone = (title: string, content: Html, around: Pick<Around, "theme" | "assets">): Html =>
  document(title, "alone", html`<main id="main">${content}</main>`, around, false);
