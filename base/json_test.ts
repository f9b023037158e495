/** What `JSON.parse` lets pass must be refused, and nothing else. */
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { decodeUtf8, own, parseJson, parsePythonJson } from "./json.ts";

Deno.test("any JSON text parses as JSON.parse does", () => {
  fc.assert(fc.property(fc.json(), fc.constantFrom(undefined, 1, 100), (text, indent) => {
    const spaced = JSON.stringify(JSON.parse(text), null, indent);
    assertEquals(parseJson(spaced), JSON.parse(spaced));
  }));
});

Deno.test("duplicate keys are refused, however they are spelled or spaced", () => {
  for (
    const [text, named] of [
      ['{"a":1,"a":2}', 'key "a"'],
      ['{"a":1,"\\u0061":2}', 'key "a"'],
      [`{"a":1,"a"${" ".repeat(500)}:2}`, 'key "a"'],
      ['{"x":[{"b":{"c":1,"c":1}}]}', 'key "c" in x.b'],
      ['{"__proto__":1,"__proto__":2}', "__proto__"],
      ['{"":1,"":2}', 'key ""'],
    ]
  ) assertThrows(() => parseJson(text), SyntaxError, named);
});

Deno.test("equal keys of different objects, and strings equal to keys, are fine", () => {
  for (
    const text of ['[{"a":1},{"a":2}]', '{"a":{"a":"a"}}', '{"a":["a","a"]}', '{"a":"\\"a\\":","b":"{"}']
  ) {
    assertEquals(parseJson(text), JSON.parse(text));
  }
});

Deno.test("lone surrogates, byte order marks and broken UTF-8 are refused", () => {
  assertThrows(() => parseJson('{"a":"\\ud800"}'), SyntaxError, "lone surrogate");
  assertThrows(() => parseJson(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d))), SyntaxError, "JSON");
  assertThrows(() => decodeUtf8(Uint8Array.of(0xc0, 0xaf)), SyntaxError, "UTF-8");
});

Deno.test("deep nesting does not overflow the stack", () => {
  const deep = "[".repeat(20_000) + "]".repeat(20_000);
  assertEquals(Array.isArray(parseJson(deep)), true);
});

Deno.test("own() sees no inherited property", () => {
  assertEquals(own({}, "constructor"), undefined);
});

Deno.test("Python's names of numbers are read outside of texts only", () => {
  const text = '{"a": NaN, "b": [-Infinity, Infinity, 1], "c": "NaN \\" Infinity", "Infinity": "\\\\"}';
  assertEquals(parsePythonJson(text), {
    ...{ a: NaN, b: [-Infinity, Infinity, 1], c: 'NaN " Infinity', Infinity: "\\" },
  });
  for (const wrong of ["{NaN: 1}", "[+NaN]", "[-NaN]", "[NaN NaN]", "NaNs", "[nan]", '["NaN', '["NaN]']) {
    assertThrows(() => parsePythonJson(wrong), SyntaxError, "not valid JSON");
  }
});
