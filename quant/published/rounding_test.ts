/** The rounding of inputs in compressed-tensors' arithmetic, held to what the library gives. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { fixture } from "../../base/fixture.ts";
import { CheckpointError } from "../../model/files/error.ts";
import { readSafetensors } from "../../model/safetensors.ts";
import type { InputRule } from "../formats/source.ts";
import { rounderOf } from "./rounding.ts";

const folder = await fixture("foreign");
const tensors = await readSafetensors(`${folder}/rounding.safetensors`);
const rules: Record<string, InputRule> = JSON.parse(await Deno.readTextFile(`${folder}/rounding.json`));

const floats = (name: string): Float32Array => {
  const data = tensors.get(name)?.data;
  assert(data instanceof Float32Array);
  return data.slice();
};

for (const [name, rule] of Object.entries(rules)) {
  Deno.test(`rounded as compressed-tensors does, bit for bit: ${name}`, () => {
    const data = floats("input"),
      expected = floats(name),
      [rows, columns] = tensors.get("input")?.shape ?? [];
    // The library holds scales in float32.
    rounderOf({ ...rule, ...rule.scale && { scale: Math.fround(rule.scale) } }, "x", columns)(data, rows);
    const wrong = data.findIndex((value, i) => value !== expected[i]);
    assertEquals(wrong < 0 ? null : [wrong, data[wrong], expected[wrong]], null);
  });
}

Deno.test("rounding that is not done is refused with the way around it", () => {
  const { settings } = rules["fp8-token"];
  const refused = (change: Record<string, unknown>, message: string) => {
    const rule = { settings: { ...settings, ...change } };
    const error = assertThrows(() => rounderOf(rule, "inputs of x", 64), CheckpointError, message);
    assert(error.message.includes('activations: "float"'));
  };
  refused({ strategy: "attn_head" }, 'inputs of x: {"num_bits"');
  refused({ num_bits: 5 }, "floats of 5 bits");
  refused({ type: "posit" }, "is not done here");
  refused({ actorder: "group" }, 'actorder is "group"');
  refused({ strategy: "group", group_size: 48 }, "groups of 48 do not divide 64 features");
  refused({ newer: 1 }, "newer (1) is not known here");
  refused({ symmetric: false }, "floats that are not symmetric");
});

Deno.test("scales in powers of two: the least that hold the largest magnitude", () => {
  const settings = {
    num_bits: 8,
    type: "float",
    symmetric: true,
    strategy: "group",
    group_size: 4,
    dynamic: true,
    powers: true,
  };
  // 448 is the largest number of E4M3: 448 needs 1, 449 needs 2, 224 a half; 3.5 is 448 / 128.
  const data = Float32Array.of(448, 1, -17, 0, 449, 1, -17, 0, 224, 0.5, -8.5, 0, 3.5, 3.4, 0.001, 0);
  const expected = [448, 1, -16, 0, 448, 1, -16, 0, 224, 0.5, -8, 0, 3.5, 3.5, 0.0009765625, 0];
  rounderOf({ settings }, "x", 4)(data, 4);
  assertEquals([...data], expected);
});
