/** Scales beside weights: what is multiplied, what is said, what is refused. That models then compute as they should is `bench/differential`'s. */
import { assertEquals, assertThrows } from "@std/assert";
import { CheckpointError } from "../files/error.ts";
import { multiplyScales, tensorScales } from "./scales.ts";

const tensors = (own: Record<string, number[]>) =>
  new Map(
    Object.entries({ "blk.0.ffn_up.weight": [4, 2], "blk.0.ffn_up_exps.weight": [3, 4, 2], ...own }).map((
      [name, shape],
    ) => [name, { shape }]),
  );

Deno.test("scales belong to linear layers that are there; others stay tensors that nobody knows", () => {
  const found = tensorScales(
    tensors({
      "blk.0.ffn_up.scale": [1],
      "blk.0.ffn_down.scale": [1],
      "output.scale": [1],
      "blk.0.ffn_norm.scale": [1],
    }),
    "a.gguf",
  );
  assertEquals([...found.scales], [["blk.0.ffn_up.weight", { tensor: "blk.0.ffn_up.scale", count: 1 }]]);
  assertEquals([...found.known], ["blk.0.ffn_up.scale"]);
  assertEquals(found.notices, []);
});

Deno.test("a scale of inputs is not used, and that is said", () => {
  const found = tensorScales(tensors({ "blk.0.ffn_up.input_scale": [1] }), "a.gguf");
  assertEquals(found.scales.size, 0);
  assertEquals(found.notices, [
    'a.gguf: tensor "blk.0.ffn_up.input_scale" is not used: activations are not rounded as it would have them',
  ]);
});

Deno.test("a scale is one number, or one for each expert", () => {
  assertEquals(tensorScales(tensors({ "blk.0.ffn_up_exps.scale": [3] }), "a.gguf").scales.size, 1);
  for (
    const [name, shape, expected] of [["ffn_up", [4], "[1]"], ["ffn_up_exps", [2], "[1] or [3]"], ["ffn_up", [
      1,
      1,
    ], "[1]"]] as const
  ) {
    assertThrows(
      () => tensorScales(tensors({ [`blk.0.${name}.scale`]: [...shape] }), "a.gguf"),
      CheckpointError,
      `tensor "blk.0.${name}.scale" has shape [${shape}]: expected ${expected}`,
    );
  }
});

Deno.test("values of an expert are multiplied by its own scale, whichever is read first", () => {
  const values = Float32Array.of(1, 2, 3, 4);
  multiplyScales(values, Float32Array.of(8, 10, 0.5), 1, 2);
  assertEquals([...values], [10, 20, 1.5, 2]);
  multiplyScales(values, Float32Array.of(2), 7, 4);
  assertEquals([...values], [20, 40, 3, 4]);
});
