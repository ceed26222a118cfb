import { raw as trust, html as write } from "hono/html";
import type { HtmlEscapedString } from "hono/utils/html";

// Markup as text. Whatever is put into it is escaped, unless it is markup already.

export type Html = HtmlEscapedString;

/** What may stand in markup. An object of JSON may not: its `toString` may be one of its members. */
export type Piece = string | number | Html | false | null | undefined | readonly Piece[];

export const html = (strings: TemplateStringsArray, ...pieces: Piece[]): Html => write(strings, ...pieces) as Html;

/** Text that is markup: only ever written here, in parts/, and never made of what came from elsewhere. */
export const raw = (markup: string): Html => trust(markup) as Html;

export const none: Html = raw("");

/** An attribute that is there or not: ` hidden`. */
export const flag = (name: string, isThere: boolean): Html => (isThere ? raw(` ${name}`) : none);
