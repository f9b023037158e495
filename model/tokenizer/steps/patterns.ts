/** The `pattern` of a Split or a Replace. */
import type { Fields } from "../fields.ts";
import { translate } from "../pattern.ts";
import { TokenizerError } from "../error.ts";
import { show } from "../../../base/show.ts";

/** A text or a pattern, as a pattern with the flag `g`. */
export function patternOf(fields: Fields): RegExp {
  const pattern = fields.object("pattern");
  const text = pattern.optionalText("String"), regex = pattern.optionalText("Regex");
  if ((text === undefined) === (regex === undefined)) fields.fail("pattern", "a String or a Regex");
  pattern.finish();
  if (regex === undefined) return new RegExp(escaped(text ?? ""), "gv");
  try {
    return translate(regex);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new TokenizerError(
      "unsupported",
      `${pattern.path("Regex")} is ${show(regex)}, which cannot be used: ${error.message}`,
    );
  }
}

function escaped(text: string): string {
  return Array.from(text, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`).join("");
}
