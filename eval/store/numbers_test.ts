/** JSON has no infinity and no NaN: what is stored reads back as it was measured. */
import { assertEquals, assertNotEquals } from "@std/assert";
import { hashOf } from "../../base/hash.ts";
import { readNumbers, writeNumbers } from "../../base/json.ts";
import { variantOf } from "../../model/checkpoint/variant_testing.ts";
import { corpus } from "../corpus.ts";
import { sweep } from "../sweep.ts";
import { openLog } from "../tasks/log.ts";
import type { TaskExample } from "../tasks/result.ts";
import { openStore } from "../store.ts";

const odd = {
  a: [Infinity, -Infinity, NaN, -0, 0, 0.1, null, "NaN"],
  b: { standardError: NaN, deep: [[NaN]] },
};

Deno.test("numbers of any place and name survive; finite values are written as ever", async () => {
  assertEquals(readNumbers(writeNumbers(odd)), odd);
  const plain = { a: [1, 1e-300, "x", null], b: {} };
  assertEquals(writeNumbers(plain), JSON.stringify(plain));
  assertEquals(new Set([NaN, Infinity, -Infinity, null, -0, 0].map((one) => hashOf([one]))).size, 6);
  assertNotEquals(writeNumbers([NaN]), writeNumbers([null]));
  const location = await Deno.makeTempDir();
  try {
    const store = await openStore(location);
    await store.write("row", odd);
    assertEquals(await store.read("row"), odd);
    const log = `${location}/log.jsonl`;
    const example = { kind: "rolling", id: 0, where: "x", logProbability: -Infinity, metrics: { acc: NaN } };
    {
      using open = openLog(log, { task: "t", limit: Infinity });
      open.add(example as unknown as TaskExample);
    }
    using again = openLog(log, { task: "t", limit: Infinity });
    assertEquals(again.done.get(0) as unknown, example);
  } finally {
    await Deno.remove(location, { recursive: true });
  }
});

Deno.test("a sweep over a model whose perplexity overflows says the same twice", async () => {
  await using huge = await variantOf("models/llama", {
    tensors: (all) => {
      const name = "model.embed_tokens.weight", one = all.get(name);
      if (one === undefined) throw new Error(name);
      const data = Float32Array.from(one.data, Number);
      data[3 * 256 + 3] = 1e5;
      all.set(name, { dtype: "F32", shape: one.shape, data });
    },
  });
  const results = await Deno.makeTempDir(), windows = await corpus("sotu", { windows: 2, length: 64 });
  try {
    const run = () => sweep([{ model: huge.directory, label: "float", scheme: {} }], { windows, results });
    const [first] = await run(), [second] = await run();
    assertEquals(first.perplexity.value, Infinity);
    assertEquals(second, first);
  } finally {
    await Deno.remove(results, { recursive: true });
  }
});
