/** Fields of a file: nothing that can change a number is passed over in silence. */
import { type JsonObject, own } from "./json.ts";
import { show } from "./show.ts";

/** What a reader knows of the fields of an object; in names a `*` at the end stands for any ending. */
export interface KnownFields {
  /** It reads these. */
  readonly used: Iterable<string>;
  /** These change no result, whatever they say. */
  readonly harmless?: Iterable<string>;
  /** What they ask for is not done here: with any value but these (null goes without saying) they are refused. */
  readonly refused?: Readonly<Record<string, readonly unknown[]>>;
}

/**
 * Refuses the fields that ask for what is not done here, and gives a sentence (a *notice*) for each field that is neither used nor
 * known to be harmless. Null is no value: such a field says nothing.
 *
 * @param source where the values come from: the first word of every message
 * @param refuse throws the error of the room that reads the file
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * const refuse = (message: string): never => {
 *   throw new RangeError(message);
 * };
 * const known = { used: ["hidden_size"], harmless: ["torch_dtype"], refused: { pretraining_tp: [1] } };
 * const values = { hidden_size: 64, attention_chunk: 8, torch_dtype: "float16", pretraining_tp: 1 };
 * assertEquals(checkFields("config.json", values, known, refuse), [
 *   "config.json: attention_chunk (8) is not known here and was not used",
 * ]);
 * const message = "config.json: pretraining_tp is 2: expected 1 or nothing, other values are not supported";
 * assertThrows(() => checkFields("config.json", { pretraining_tp: 2 }, known, refuse), RangeError, message);
 * ```
 */
export function checkFields(
  source: string,
  values: JsonObject,
  { used, harmless = [], refused = {} }: KnownFields,
  refuse: (message: string) => never,
): string[] {
  for (const [name, accepted] of Object.entries(refused)) {
    const value = own(values, name) ?? null;
    if (value === null || accepted.some((one) => JSON.stringify(one) === JSON.stringify(value))) continue;
    const expected = [...accepted.map((one) => show(one)), "nothing"].join(" or ");
    refuse(`${source}: ${name} is ${show(value)}: expected ${expected}, other values are not supported`);
  }
  const names = [...used, ...harmless, ...Object.keys(refused)];
  const known = new Set(names), families = names.filter((name) => name.endsWith("*"));
  const isKnown = (name: string) =>
    known.has(name) || families.some((family) => name.startsWith(family.slice(0, -1)));
  return Object.keys(values).filter((name) => own(values, name) !== null && !isKnown(name))
    .map((name) => `${source}: ${name} (${show(values[name])}) is not known here and was not used`);
}
