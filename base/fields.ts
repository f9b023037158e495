/** Fields of a file that were not used: nothing that can change a number is passed over in silence. */
import type { JsonObject } from "./json.ts";
import { show } from "./show.ts";

/** What a reader knows of the fields of an object. */
export interface KnownFields {
  /** It has used these, or refused them. */
  readonly used: Iterable<string>;
  /** These change no result, whatever they say. */
  readonly harmless?: Iterable<string>;
}

/**
 * A sentence for each field that is neither used nor known to be harmless.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const values = { hidden_size: 64, attention_chunk: 8, torch_dtype: "float16" };
 * assertEquals(unusedFields("config.json", values, { used: ["hidden_size"], harmless: ["torch_dtype"] }), [
 *   "config.json: attention_chunk (8) is not known here and was not used",
 * ]);
 * ```
 */
export function unusedFields(
  source: string,
  values: JsonObject,
  { used, harmless = [] }: KnownFields,
): string[] {
  const known = new Set([...used, ...harmless]);
  return Object.keys(values).filter((name) => !known.has(name))
    .map((name) => `${source}: ${name} (${show(values[name])}) is not known here and was not used`);
}
