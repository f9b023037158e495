/** Fields of files: used, harmless, refused, or the subject of a notice; never nothing. */
import { assertEquals, assertThrows } from "@std/assert";
import { checkFields, type KnownFields } from "./fields.ts";

const known: KnownFields = {
  used: ["size", "rope.*"],
  harmless: ["author"],
  refused: { chunk: [], parts: [1, [1]], mode: ["plain"] },
};

function check(values: Record<string, unknown>): string[] {
  return checkFields("a.json", values, known, (message) => {
    throw new RangeError(message);
  });
}

Deno.test("a field is used, harmless, refused, or the subject of a notice", () => {
  assertEquals(check({ size: 1, author: "x", "rope.base": 2, parts: 1, mode: "plain" }), []);
  assertEquals(check({ parts: [1], chunk: null, absent: null }), []);
  assertEquals(check({ sizes: 1, rope: 2, __proto: 3 }), [
    "a.json: sizes (1) is not known here and was not used",
    "a.json: rope (2) is not known here and was not used",
    "a.json: __proto (3) is not known here and was not used",
  ]);
});

Deno.test("an unsupported value is refused by name, whatever its kind", () => {
  const wrong: [values: Record<string, unknown>, message: string][] = [
    [{ chunk: 0 }, "a.json: chunk is 0: expected nothing, other values are not supported"],
    [{ chunk: false }, "chunk is false"],
    [{ parts: "1" }, 'parts is "1": expected 1 or [1] or nothing'],
    [{ parts: [1, 1] }, "parts is [1,1]"],
    [{ mode: {} }, 'mode is {}: expected "plain" or nothing'],
  ];
  for (const [values, message] of wrong) assertThrows(() => check(values), RangeError, message);
});

Deno.test("names of the language are names like others", () => {
  const values: unknown = JSON.parse('{"__proto__": 1, "constructor": 2}');
  assertEquals(check(Object(values)).length, 2);
});
