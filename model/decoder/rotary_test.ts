/** Rope scalings that no golden checkpoint has, against the NumPy reference; positions that a model refuses. */
import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { alibiSlopes } from "./alibi.ts";
import { CheckpointError } from "../files/error.ts";
import { ModelConfig } from "../checkpoint/config.ts";
import { loadModel } from "../load.ts";
import { rotaryPositions } from "../families/rotary_scaling.ts";

const folder = pathOf(new URL("../../fixtures/families/", import.meta.url));
const cases: { dir: string; change: object; ids: number[]; last: number[] }[] = JSON.parse(
  await Deno.readTextFile(`${folder}rope.json`),
);

for (const { dir, change, ids, last } of cases) {
  Deno.test(`${dir} of ${ids.length} tokens with ${JSON.stringify(change).slice(0, 60)}`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      const config = JSON.parse(await Deno.readTextFile(`${folder}${dir}/config.legacy.json`));
      await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify({ ...config, ...change }));
      await Deno.symlink(`${folder}${dir}/model.safetensors`, `${directory}/model.safetensors`);
      using scaled = await loadModel(directory);
      using plain = await loadModel(folder + dir);
      const tokens = Int32Array.from(ids), first = (ids.length - 1) * 160;
      const found = (await scaled.logits(tokens)).subarray(first);
      assertEquals(found.length, last.length);
      // The tolerance of the golden values.
      for (const [i, value] of found.entries()) assertAlmostEquals(value, last[i], 1e-4);
      assertNotEquals(found, (await plain.logits(tokens)).subarray(first));
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

Deno.test("the slopes of position biases are those of the paper", () => {
  // Press et al., section 3: 1/2, 1/4, ..., 1/256 for 8 heads.
  assertEquals([...alibiSlopes(8, 1)], [1, 2, 3, 4, 5, 6, 7, 8].map((i) => 2 ** -i));
  const six = alibiSlopes(6, 0.5);
  assertEquals([...six.subarray(0, 4)], [...alibiSlopes(4, 0.5)]);
  assertEquals([...six.subarray(4)], [0, 2].map((i) => alibiSlopes(8, 0.5)[i]));
});

Deno.test("an unknown scaling and a wrong list are refused by name", () => {
  const read = (rope_scaling: object) =>
    rotaryPositions(new ModelConfig("inline", { rope_scaling, max_position_embeddings: 128 }), 16);
  const error = assertThrows(() => read({ rope_type: "spiral", factor: 2 }), CheckpointError, "rope_type");
  assert(error.message.includes('"spiral"'));
  const lists = { rope_type: "longrope", short_factor: [1, 0], long_factor: [1] };
  assertThrows(
    () => read({ ...lists, original_max_position_embeddings: 64 }),
    CheckpointError,
    "short_factor",
  );
  assertEquals(read({ type: "dynamic", factor: 2 }).scaling, undefined);
});
