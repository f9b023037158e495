/** Lines of at most a width, as `textwrap.wrap` makes them. */
import { spend, TemplateError, unsupported } from "../error.ts";
import { between, lengthOf, strip } from "./text.ts";

/** How to wrap. */
export interface WrapOptions {
  /** Most characters of a line. */
  readonly width: number;
  /** Whether words that are longer are broken. */
  readonly long: boolean;
  /** Whether lines may end after hyphens. */
  readonly hyphens: boolean;
}

const isGap = (chunk: string) => strip(chunk, undefined, "both") === "";

/** The lines of a paragraph. */
export function wrapLine(text: string, { width, long, hyphens }: WrapOptions): string[] {
  if (width <= 0) throw new TemplateError("value", `invalid width ${width} (must be > 0)`);
  if (hyphens && text.includes("-")) throw unsupported("wordwrap of words with hyphens");
  const chunks = text.split(/([\t\n\v\f\r ]+)/).filter(Boolean).reverse(), lines: string[] = [];
  while (chunks.length > 0) {
    const line: string[] = [];
    spend(1 + lengthOf(chunks[chunks.length - 1]) / 4);
    let length = 0;
    if (lines.length > 0 && isGap(chunks[chunks.length - 1])) chunks.pop();
    while (chunks.length > 0 && length + lengthOf(chunks[chunks.length - 1]) <= width) {
      const chunk = chunks.pop() ?? "";
      line.push(chunk);
      length += lengthOf(chunk);
    }
    const next = chunks.at(-1);
    if (next !== undefined && lengthOf(next) > width) {
      if (long) {
        line.push(between(next, 0, width - length));
        chunks[chunks.length - 1] = between(next, width - length, lengthOf(next));
      } else if (line.length === 0) line.push(chunks.pop() ?? "");
    }
    if (line.length > 0 && isGap(line[line.length - 1])) line.pop();
    if (line.length > 0) lines.push(line.join(""));
  }
  return lines;
}
