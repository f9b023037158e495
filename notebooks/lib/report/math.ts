/** TeX to MathML, which browsers set themselves: no fonts and no styles of ours are needed. */
import katex from "katex";
import { escapeHtml } from "../html.ts";

/** Longer formulas are shown as they are: no author writes them, and they may be slow. */
const LONGEST_FORMULA = 4000;

const SPACE = '<mspace width="0.167em"></mspace>';
const TIGHT = 'stretchy="false" lspace="0em" rspace="0em"';

/** TeX as MathML; what cannot be read is shown as written. */
export function renderMath(tex: string, displayMode: boolean): string {
  if (tex.length > LONGEST_FORMULA) return `<code>${escapeHtml(tex)}</code>`;
  try {
    return tidy(katex.renderToString(tex, { displayMode, output: "mathml", strict: "ignore", trust: false }));
  } catch {
    return `<code>${escapeHtml(tex)}</code>`;
  }
}

/** Makes up for what browsers and our policy do otherwise than KaTeX expects. */
function tidy(html: string): string {
  return html
    // Inline styles are not allowed on our pages; MathML's own attributes carry what matters.
    .replaceAll(/ style="[^"]*"/g, "")
    // Bars of absolute values are written as the relation "divides", around which browsers leave space.
    .replaceAll(
      /<mo stretchy="false">([∣∥])<\/mo>/g,
      (_, bar) => `<mo ${TIGHT}>${bar === "∣" ? "|" : "‖"}</mo>`,
    )
    // Named functions are identifiers, followed by the invisible sign of application: browsers leave no space there.
    .replaceAll(/(<\/(?:mi|mn|msub|msup|mfrac)>)(?=<mi[^>]*>[a-z]{2,}<\/mi><mo>\u2061<\/mo>)/g, `$1${SPACE}`)
    .replaceAll(/(<mo>\u2061<\/mo>)(?=<(?:mi|mn|msub|msup|mfrac|mover)\b)/g, `$1${SPACE}`);
}
