/** Sizes of models are those of their files, tensor by tensor; what is quantized, tied, shared or changed counts once and as it is stored. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { openGguf } from "../../model/gguf/file.ts";
import { loadModel } from "../../model/load.ts";
import { openSafetensors } from "../../model/safetensors.ts";
import { quarot } from "../methods/quarot.ts";
import { rtn } from "../methods/rtn.ts";
import { quantize } from "../quantize.ts";
import { weightStorage } from "./linear.ts";
import { sizes, sum } from "./sizes.ts";

const fixtures = pathOf(new URL("../../fixtures/", import.meta.url));

Deno.test("every family: the parts are the tensors of the file, byte for byte", async () => {
  let seen = 0;
  for await (const { name, isDirectory } of Deno.readDir(`${fixtures}families`)) {
    const path = `${fixtures}families/${name}/model.safetensors`;
    if (!isDirectory || !await Deno.stat(path).then(() => true, () => false)) continue;
    using model = await loadModel(`${fixtures}families/${name}`);
    const file = await openSafetensors(path), all = sizes(model);
    // Old files have buffers that every reader computes anew, and tied matrices twice.
    const { head, embedding } = model.architecture;
    const buffers = head === embedding && file.tensors.has(embedding)
      ? /rotary_emb\.inv_freq$|\.(attention|attn)\.(masked_)?bias$|^lm_head\.weight$/
      : /rotary_emb\.inv_freq$|\.(attention|attn)\.(masked_)?bias$/;
    const tensors = [...file.tensors].filter(([tensor]) => !buffers.test(tensor)).map(([, info]) => info);
    const bytes = tensors.reduce((total, { byteLength }) => total + byteLength, 0);
    const values = tensors.reduce(
      (total, { shape }) => total + shape.reduce((product, size) => product * size, 1),
      0,
    );
    assertEquals([all.model.bytes, all.model.weights], [bytes, values], name);
    assertEquals(all.file?.bytes, (await Deno.stat(path)).size, name);
    assertEquals(sum(all.parts), all.model);
    seen++;
  }
  assert(seen >= 20, `${seen} families`);
});

Deno.test("a GGUF model's tensors count as their types store them", async () => {
  const path = `${fixtures}gguf/split/split-00001-of-00002.gguf`;
  using model = await loadModel(path);
  const file = await openGguf(path), all = sizes(model);
  const bytes = file.tensors.values().reduce((total, { byteLength }) => total + byteLength, 0);
  assertEquals([all.model.bytes, all.file?.bytes], [bytes, file.byteLength]);
  const find = (layer: number, role: string) =>
    all.parts.find((part) => part.kind === "linear" && part.layer === layer && part.role === role);
  // Q4_0: 18 bytes for 32 weights; Q6_K: 210 for 256; NVFP4: 36 for 64; the embedding is Q8_0: 34 for 32.
  assertEquals([find(0, "q")?.format, find(0, "q")?.bitsPerWeight], ["Q4_0", 18 * 8 / 32]);
  assertEquals([find(1, "down")?.format, find(1, "down")?.bitsPerWeight], ["Q6_K", 210 * 8 / 256]);
  assertEquals([find(1, "o")?.format, find(1, "o")?.bitsPerWeight], ["NVFP4", 36 * 8 / 64]);
  assertEquals(all.parts.find(({ kind }) => kind === "embedding")?.bitsPerWeight, 8.5);
  assertEquals(all.parts.some(({ kind }) => kind === "head"), false);
  // Where nothing was quantized here, the linear layers have the bits of their blocks, and those in float16 and bfloat16 have 16.
  assertAlmostEquals(weightStorage(model).bitsPerWeight, all.linear.bitsPerWeight, 1e-12);
});

Deno.test("tensors that several layers share are divided among them", async () => {
  for (const name of ["phi3.gguf", "gpt2.gguf"]) {
    using model = await loadModel(`${fixtures}gguf/${name}`);
    const file = await openGguf(`${fixtures}gguf/${name}`), all = sizes(model);
    const bytes = file.tensors.values().reduce((total, { byteLength }) => total + byteLength, 0);
    assertEquals(all.model.bytes, bytes, name);
    for (const part of all.parts.filter(({ kind }) => kind === "linear")) assert(part.bytes > 0, part.name);
  }
});

Deno.test("what is quantized counts with its scales and zero points, the rest as it was", async () => {
  using model = await loadModel("fixture:llama");
  const float = sizes(model);
  assertEquals(float.model.bitsPerWeight, 16);
  using quantized = await quantize(model, { weights: rtn({ bits: 4, groupSize: 32, symmetric: true }) });
  const { linear, model: whole, file, parts } = sizes(quantized);
  assertEquals(linear.bitsPerWeight, weightStorage(quantized).bitsPerWeight);
  assertEquals(linear.weights, float.linear.weights);
  // Codes, and a float32 scale a group: 4 + 32 / 32 bits.
  assertEquals(linear.bytes, linear.weights * 5 / 8);
  assertEquals(whole.bytes, float.model.bytes - float.linear.bytes + linear.bytes);
  assertEquals([file, new Set(parts.map(({ format }) => format))], [null, new Set(["F16", "quantized"])]);
});

Deno.test("a tied output projection counts once, and twice where it is quantized apart from the embedding", async () => {
  using model = await loadModel("fixture:llama");
  const embedding = 2048 * 256;
  using apart = await quantize(model, { head: { weights: rtn({ bits: 8, symmetric: true }) } });
  // The embedding stays float16; the projection has 8 bits and a float32 scale a row.
  const head = sizes(apart).parts.find(({ kind }) => kind === "head");
  assertEquals([head?.weights, head?.bytes], [embedding, embedding + 4 * 2048]);
  assertEquals(sizes(apart).model.bytes, sizes(model).model.bytes + embedding + 4 * 2048);
});

Deno.test("rotated weights are float16, and untie the output projection", async () => {
  using model = await loadModel("fixture:llama");
  using rotated = await quantize(model, { transforms: [quarot({})] });
  const all = sizes(rotated);
  assertEquals(all.model.bitsPerWeight, 16);
  assertEquals(all.model.weights, sizes(model).model.weights + 2048 * 256);
});
