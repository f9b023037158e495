/** Blocks with a kernel are the values that ggml makes of them, to the bit, and are written as they were read. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { fixture } from "../../../base/fixture.ts";
import { CheckpointError } from "../../../model/files/error.ts";
import { openGguf } from "../../../model/gguf/file.ts";
import { exported } from "../export_testing.ts";
import { loadModel } from "../../published/load.ts";
import { heldWeightOf } from "../../weights/linear.ts";
import { ggufWeight } from "./read.ts";

Deno.test("each type with a kernel: the values of its file, whatever its scales are", async () => {
  for (const type of ["Q4_0", "Q5_0", "Q8_0", "IQ4_NL", "MXFP4", "NVFP4"]) {
    const file = await openGguf(`${await fixture("gguf/types")}/${type}.gguf`),
      [[name, { shape }]] = [...file.tensors];
    const bytes = await file.blocks?.(name), [rows, columns] = shape;
    assert(bytes !== undefined && columns === 512);
    assertEquals(ggufWeight(type, bytes, [rows, columns])?.dequantize(), await file.read(name), type);
    assertEquals(await file.blocks?.(name, 1, 2), bytes.slice(bytes.length / rows, 3 * bytes.length / rows));
  }
  for (const type of ["Q4_1", "Q4_K", "F16", "toString"]) {
    assertEquals(ggufWeight(type, new Uint8Array(0), [0, 0]), null);
  }
});

Deno.test("a GGUF file that is read and written again has the same blocks, rows of heads included", async () => {
  for (const name of ["llama2l-Q4_0.gguf", "llama2l-Q8_0.gguf"]) {
    const path = `${await fixture("published")}/${name}`, source = await openGguf(path);
    using model = await loadModel(path);
    assertEquals(model.scheme?.quant_method, "gguf");
    const { tensors } = model.scheme as { readonly tensors: Record<string, number> };
    // Two layers of seven linear layers; norms are floats.
    assert(tensors[name.slice(8, 12)] >= 14 && tensors.F32 === 5, JSON.stringify(tensors));
    assert((await heldWeightOf(model, 0, "q"))?.pack !== undefined);
    await exported(model, "gguf", async (again) => {
      const written = await openGguf(again);
      let checked = 0;
      for (const [tensor, { type }] of source.tensors) {
        if (!/blk.*(attn|ffn)_.*\.weight/.test(tensor) || !["Q4_0", "Q8_0"].includes(type.name)) continue;
        assertEquals(written.tensors.get(tensor)?.type.name, type.name, tensor);
        assertEquals(await written.blocks?.(tensor), await source.blocks?.(tensor), tensor);
        checked++;
      }
      assert(checked >= 12, `${checked}`);
    });
  }
});

Deno.test("a scale that is no number is refused where the weight is read", async () => {
  const path = `${await fixture("published")}/llama2l-Q4_0.gguf`, source = await openGguf(path);
  const bytes = await Deno.readFile(path), entry = source.tensors.get("blk.0.ffn_up.weight");
  assert(entry !== undefined && entry.type.name === "Q4_0");
  bytes.set([0, 0x7e], entry.offset);
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeFile(`${directory}/model.gguf`, bytes);
    using model = await loadModel(`${directory}/model.gguf`);
    await assertRejects(() => model.logits(Int32Array.of(1, 2, 3)), CheckpointError, "is NaN at element 0");
    // Cut off in the middle of a tensor.
    await Deno.writeFile(`${directory}/model.gguf`, bytes.subarray(0, bytes.length - 1000));
    await assertRejects(() => loadModel(`${directory}/model.gguf`), CheckpointError);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
