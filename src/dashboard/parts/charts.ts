import { type Html, html, none, type Piece } from "./html.ts";
import { number } from "./text.ts";

// Charts as SVG from the server. Words and numbers stay outside of it, where they can be read and selected. No inline style:
// the policy of content forbids it.

export type Bar = { label: string; good: number; bad: number };

const RULES = [0, 0.5, 1];

const rules = (height: number): Piece =>
  RULES.map((share) => html`<line class="rule" x1="0" x2="1000" y1="${height * share}" y2="${height * share}"/>`);

/** Bars of two parts. `title`: a sentence for who does not see them; `unit`: what is counted. */
export function bars(
  rows: Bar[],
  { title, unit, bad: wrongs = "failed", height = 100 }: { title: string; unit: string; bad?: string; height?: number },
): Html {
  const top = Math.max(1, ...rows.map(({ good, bad }) => good + bad));
  const step = 1000 / Math.max(1, rows.length);
  const drawn = rows.map(({ label, good, bad }, index) => {
    const tall = (good / top) * height;
    const wrong = bad === 0 ? 0 : Math.max(1.5, (bad / top) * height);
    const [x, wide] = [(index * step + step * 0.1).toFixed(1), (step * 0.8).toFixed(1)];
    const words = `${label}: ${number(good)} ${unit}${bad > 0 ? `, ${number(bad)} ${wrongs}` : ""}`;
    const bar = (name: string, y: number, tall: number) =>
      html`<rect class="${name}" x="${x}" y="${y.toFixed(1)}" width="${wide}" height="${tall.toFixed(1)}"/>`;
    const failed = bad > 0 ? bar("bar bad", height - tall - wrong, wrong) : none;
    return html`<g><title>${words}</title>${bar("bar", height - tall, tall)}${failed}</g>`;
  });
  return html`<svg viewBox="0 0 1000 ${height}" preserveAspectRatio="none" role="img" aria-label="${title}">${rules(height)}${drawn}</svg>`;
}

/** Small bars for a cell of a table. */
export function spark(values: Omit<Bar, "label">[], label: string): Html {
  const top = Math.max(1, ...values.map(({ good, bad }) => good + bad));
  const y = (value: number) => (20 - (value / top) * 20).toFixed(1);
  const good = values.map((one, at) => (one.good > 0 ? `M${at * 4} 20V${y(one.good)}h3V20z` : ""));
  const bad = values.map((one, at) =>
    one.bad > 0 ? `M${at * 4} ${y(one.good)}V${y(one.good + one.bad)}h3V${y(one.good)}z` : "",
  );
  const wide = values.length * 4;
  return html`<svg class="spark" viewBox="0 0 ${wide} 20" preserveAspectRatio="none" role="img" aria-label="${label}"><path class="bar none" d="M0 19.5h${wide}v.5H0z"/><path class="bar" d="${good.join("")}"/><path class="bar bad" d="${bad.join("")}"/></svg>`;
}

/** Lines over the same places; null: there is no value, and the line is broken there. */
export function curves(
  all: { values: (number | null)[]; isSoft?: boolean }[],
  { title, height = 100 }: { title: string; height?: number },
): Html {
  const top = Math.max(1, ...all.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const drawn = all.map(({ values, isSoft = false }) => {
    const x = (at: number) => ((at / Math.max(1, values.length - 1)) * 1000).toFixed(1);
    let isDown = false;
    const path = values.map((value, at) => {
      const move = isDown ? "L" : "M";
      isDown = value !== null;
      if (value === null) return "";
      // A value that stands alone is a short line.
      const dot = move === "M" && (values[at + 1] ?? null) === null ? `h${at === 0 ? 20 : -20}` : "";
      return `${move}${x(at)} ${(height - (value / top) * height).toFixed(1)}${dot}`;
    });
    return html`<path class="curve${isSoft && " soft"}" d="${path.join("")}"/>`;
  });
  return html`<svg viewBox="0 0 1000 ${height}" preserveAspectRatio="none" role="img" aria-label="${title}">${rules(height)}${drawn}</svg>`;
}

/** A mark beside the words of a legend. */
export function legend(kind: "bar" | "bar bad" | "curve" | "curve soft", words: Piece): Html {
  const mark = kind.startsWith("bar")
    ? html`<rect class="${kind}" width="14" height="10"/>`
    : html`<line class="${kind}" x1="0" y1="5" x2="14" y2="5"/>`;
  return html`<span><svg viewBox="0 0 14 10" aria-hidden="true">${mark}</svg>${words}</span>`;
}
