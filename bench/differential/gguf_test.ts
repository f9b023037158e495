/**
 * Some dozens of the cases of `gguf.py`: their files are written again from their seeds, and the logits are transformers', or a typed error
 * names the planted field. `bench/results/differential-gguf.json` records a long run.
 */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { QuantbookError } from "../../base/error.ts";
import { loadModel, type Model } from "../../mod.ts";
import { openGguf } from "../../model/gguf/file.ts";
import { sizes } from "../../quant/mod.ts";
import { type GgufCase, judge, type Verdict } from "./gguf_case_testing.ts";
import { writeCase } from "./gguf_write_testing.ts";

const lines = await Deno.readTextFile(new URL("../../fixtures/gguf/differential.jsonl", import.meta.url));
const cases: GgufCase[] = lines.trim().split("\n").map((line) => JSON.parse(line));

Deno.test("random files of every architecture compute what transformers computes, or are refused by name", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const wrong: string[] = [];
    for (const one of cases) {
      const verdict = await run(one, await writeCase(one, directory));
      const expected = one.planted === null ? "equal" : "refused";
      if (verdict.kind !== expected) wrong.push(`${one.seed} ${one.modelType}: ${JSON.stringify(verdict)}`);
    }
    assertEquals(wrong, []);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("the cases cover every architecture, types of blocks, splits, byte orders and planted fields", () => {
  const covers = (of: (one: GgufCase) => unknown) => new Set(cases.map(of)).size;
  assertEquals(covers(({ modelType }) => modelType), 22);
  assertEquals([covers(({ big }) => big), covers(({ ending }) => ending)], [2, 2]);
  assertEquals(new Set(cases.flatMap(({ tensors }) => tensors.map(([, type]) => type))).size, 26);
  const scales = cases.flatMap(({ lists }) => lists.filter(([name]) => name.endsWith(".scale")));
  assertEquals([
    scales.some(([, { length }]) => length === 1),
    scales.some(([name]) => name.includes("_exps")),
  ], [true, true]);
  assertEquals(cases.some(({ split }) => split > 0) && cases.some(({ planted }) => planted !== null), true);
});

/** Every tensor of a file counts, once, as it is stored: but for divisors of frequencies, and scales that are not used. */
async function checkSizes(model: Model, path: string): Promise<void> {
  const file = await openGguf(path), all = sizes(model);
  const counted = [...file.tensors].filter(([name]) => !/^rope_|\.input_scale$/.test(name));
  const bytes = counted.reduce((sum, [, { byteLength }]) => sum + byteLength, 0);
  assertAlmostEquals(all.model.bytes, bytes, 1e-6, path);
  assertEquals(all.file?.bytes, file.byteLength, path);
}

async function run(one: GgufCase, path: string): Promise<Verdict> {
  try {
    using model = await loadModel(path);
    await checkSizes(model, path);
    return judge(one, await model.logits(Int32Array.from(one.ids)));
  } catch (error) {
    if (!(error instanceof QuantbookError)) throw error;
    return judge(one, error);
  }
}
