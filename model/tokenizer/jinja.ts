/**
 * Jinja as transformers gives it to chat templates: jinja2 3.1 in its immutable sandbox, with `trim_blocks`, `lstrip_blocks`, `break` and
 * `continue`, `{% generation %}`, `tojson` with options, `raise_exception` and `strftime_now`. What Jinja can do and this cannot is
 * refused by name.
 */
import { compileTemplate } from "./jinja/compile.ts";
import { fromData } from "./jinja/python/data.ts";
import { startWork, TemplateError } from "./jinja/error.ts";
import { listFilters } from "./jinja/filters_list.ts";
import { textFilters } from "./jinja/filters_text.ts";
import { globals } from "./jinja/globals.ts";
import { Output, type Rendering } from "./jinja/runtime.ts";
import { parseTemplate } from "./jinja/statements.ts";
import { tests } from "./jinja/tests.ts";

export { TemplateError, type TemplateErrorCode } from "./jinja/error.ts";

const library = { filters: new Map([...textFilters, ...listFilters]), tests };

/** A rendered template. */
export interface Rendered {
  /** The text. */
  readonly text: string;
  /** Where it has what the model says (`{% generation %}`), from a place (included) to another (excluded). */
  readonly generated: readonly (readonly [start: number, end: number])[];
}

/**
 * Renders a template.
 *
 * @param variables data as JSON has it; integral numbers are Python's ints, `null` is None, a `Map` keeps the order of its keys
 * @param now what `strftime_now` takes for the present
 * @throws {TemplateError} naming the line, where it is known
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const { text } = renderTemplate("{% for x in xs if x is odd %}{{ x / 2 }}{{ ', ' if not loop.last }}{% endfor %}", { xs: [1, 2, 3] });
 * assertEquals(text, "0.5, 1.5");
 * ```
 */
export function renderTemplate(
  template: string,
  variables: Readonly<Record<string, unknown>>,
  now: Date = new Date(),
): Rendered {
  startWork();
  let rendering: Rendering | undefined;
  try {
    const run = compileTemplate(parseTemplate(template), library);
    const data = Object.entries(variables).filter(([, value]) => value !== undefined);
    const given = new Map([
      ...globals(now),
      ...data.map(([name, value]) => [name, fromData(value)] as const),
    ]);
    rendering = { given, assigned: new Map(), output: new Output(), spans: [], line: 1 };
    return { text: run(rendering), generated: rendering.spans };
  } catch (error) {
    // Deep nesting and long texts end at limits of the engine.
    const typed = error instanceof RangeError
      ? new TemplateError("limit", "it is nested too deep or too long")
      : error;
    if (typed instanceof TemplateError) typed.line ??= rendering?.line;
    throw typed;
  }
}
