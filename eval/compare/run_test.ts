/** Comparisons of models that run: against the functions that measure one model, the noise floor, going on, what is refused. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { readNumbers, writeNumbers } from "../../base/json.ts";
import { variantOf, withRows } from "../../model/checkpoint/variant_testing.ts";
import { loadModel } from "../../model/load.ts";
import { llmInt8 } from "../../quant/methods/llmint8.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import { quantize } from "../../quant/quantize.ts";
import { compare } from "../compare.ts";
import { CompareError } from "./error.ts";
import { toBfloat16 } from "./noise.ts";
import { corpus } from "../corpus.ts";
import { divergence } from "../metrics/divergence.ts";
import { perplexity } from "../metrics/perplexity.ts";
import { ResultsError } from "../store/contract.ts";
import { CorpusError } from "../windows.ts";

const windows = await corpus("sotu", { windows: 5, length: 48 });
const w = (bits: number) => ({
  model: "fixture:llama",
  label: `W${bits}`,
  scheme: { weights: rtn({ bits }) },
});
const alone = { windows, results: null, noise: false };

Deno.test("means are those of divergence and perplexity, which run the models apart", async () => {
  const { candidates: [w3], text, differences } = await compare("fixture:llama", [w(3)], alone);
  using float = await loadModel("fixture:llama");
  using model = await quantize(float, w(3).scheme);
  const apart = await divergence(model, float, windows);
  assertAlmostEquals(w3.divergence.mean.value, apart.value, 1e-6);
  assertAlmostEquals(w3.divergence.mean.standardError, apart.standardError, 1e-6);
  assertAlmostEquals(w3.top1.value, apart.top1Agreement, 1e-12);
  const [ours, theirs] = [await perplexity(float, windows), await perplexity(model, windows)];
  assertAlmostEquals(w3.perplexity.value / theirs.value, 1, 1e-6);
  assertAlmostEquals(w3.perplexityRatio.value, theirs.value / ours.value, 1e-6);
  assertAlmostEquals(differences[0].value, Math.log(theirs.value / ours.value), 1e-6);
  assertEquals(text.clusters, { kind: "windows", count: 5 });
  assertEquals(w3.buckets.reduce((sum, { positions }) => sum + positions, 0), 5 * 48);
});

Deno.test("the noise floor: none between equal models, little between orders of sums, more in bfloat16", async () => {
  const found = await compare("fixture:llama", [{ model: "fixture:llama", label: "same" }, w(8)], {
    ...alone,
    windows: windows.slice(0, 2),
    noise: true,
  });
  const [same, w8] = found.candidates, { sums, bfloat16 } = found.noise;
  assert(sums !== undefined && bfloat16 !== undefined);
  assertEquals([same.divergence.mean.value, same.divergence.largest.value], [0, 0]);
  assertEquals([same.top1.value, same.top5.value, same.perplexityRatio.value], [1, 1, 1]);
  const means = [sums, bfloat16, w8].map((one) => one.divergence.mean.value);
  assert(means[0] > 0 && means[0] < 1e-9, `${means}`);
  assert(means[1] > 100 * means[0] && means[1] < 1e-2, `${means}`);
  assertEquals(found.text.clusters, { kind: "stretches", count: 16 });
  assertEquals(readNumbers(writeNumbers(found)), found);
});

Deno.test("bfloat16: halves to even, what is not finite stays", () => {
  const values = Float32Array.of(1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 3.4e38, -0, NaN, -Infinity);
  assertEquals([...toBfloat16(values)], [1, 1, 1 + 2 ** -6, Infinity, -0, NaN, -Infinity]);
});

Deno.test("what is stored costs nothing: an interrupted comparison goes on, one candidate more runs alone", async () => {
  const results = await Deno.makeTempDir();
  const options = { ...alone, results };
  const stop = (done: number) => {
    if (done === 2) throw new Error("interrupted");
  };
  await assertRejects(
    () => compare("fixture:llama", [w(4)], { ...options, onWindow: stop }),
    Error,
    "interrupted",
  );
  const stored: boolean[] = [];
  const whole = await compare("fixture:llama", [w(4)], {
    ...options,
    onWindow: (_, __, one) => stored.push(one),
  });
  assertEquals(stored, [true, true, false, false, false]);
  const unstored = await compare("fixture:llama", [w(4)], alone);
  assertEquals(whole, unstored);
  const two = await compare("fixture:llama", [w(4), w(3)], options);
  assertEquals(two.candidates[0], whole.candidates[0]);
  assertEquals(await compare("fixture:llama", [w(4), w(3)], { ...options, storedOnly: true }), two);
  await assertRejects(
    () => compare("fixture:llama", [w(5)], { ...options, storedOnly: true }),
    ResultsError,
    "W5: window 0 is not stored",
  );
  for (const { name } of [...Deno.readDirSync(results)]) assert(name.endsWith(".json"), name);
  // A value that somebody cut is not taken for one.
  const [{ name }] = [...Deno.readDirSync(results)];
  const value = JSON.parse(await Deno.readTextFile(`${results}/${name}`));
  value.positions.top1 = value.positions.top1.slice(0, 64);
  await Deno.writeTextFile(`${results}/${name}`, JSON.stringify(value));
  await assertRejects(
    () => compare("fixture:llama", [w(4), w(3)], options),
    ResultsError,
    "top1 has 48 bytes",
  );
  await Deno.remove(results, { recursive: true });
});

/** The fixture with its tokens under other ids. */
async function withIds(other: (id: number) => number, more: readonly object[] = []) {
  const variant = await variantOf("models/llama", {}), path = `${variant.directory}/tokenizer.json`;
  const json = JSON.parse(await Deno.readTextFile(path)), { vocab } = json.model;
  for (const token of Object.keys(vocab)) vocab[token] = other(vocab[token]);
  for (const one of json.added_tokens) one.id = other(one.id);
  json.added_tokens.push(...more);
  json.post_processor.special_tokens["<s>"].ids = [other(0)];
  await Deno.writeTextFile(path, JSON.stringify(json));
  return variant;
}

Deno.test("rows of padding change a perplexity, and no divergence", async () => {
  await using padded = await variantOf("models/llama", {
    config: { vocab_size: 2112 },
    tensors: (all) => {
      for (const [name, one] of all) if (one.shape[0] === 2048) all.set(name, withRows(one, 2112));
    },
  });
  const { candidates: [one] } = await compare("fixture:llama", [padded.directory], alone);
  assertEquals(one.divergence.largest.value, 0);
  assert(one.perplexityRatio.value > 1);
});

Deno.test("a candidate whose tokenizer cannot be used is compared, and the comparison says so", async () => {
  await using without = await variantOf("models/llama", {});
  await Deno.remove(`${without.directory}/tokenizer.json`);
  const { notices } = await compare("fixture:llama", [without.directory], alone);
  assertEquals(notices.map((one) => one.split(" has no ")[1]), [
    "tokenizer that can be used: nobody checked that ids stand for the same tokens",
  ]);
});

Deno.test("models with other tokens, text that is too short and options out of range are refused by name", async () => {
  const refused = async (code: string, message: string, run: () => Promise<unknown>) => {
    const error = await assertRejects(run, CompareError);
    assertEquals([error.code, error.message.includes(message)], [code, true], error.message);
  };
  await using swapped = await withIds((id) => id === 66 ? 67 : id === 67 ? 66 : id);
  await refused("tokenizer", "2 of 2048 ids", () => compare("fixture:llama", [swapped.directory], alone));
  await using reversed = await withIds((id) => 2047 - id);
  await refused("tokens", "no token in common", () => compare("fixture:llama", [reversed.directory], alone));
  await using larger = await withIds((id) => id, [{
    ...{ id: 2048, content: "<more>", special: true },
    ...{ single_word: false, lstrip: false, rstrip: false, normalized: false },
  }]);
  await refused(
    "vocabulary",
    "2049 tokens: expected 2048",
    () => compare("fixture:llama", [larger.directory], alone),
  );
  await refused("option", "candidates is empty", () => compare("fixture:llama", [], alone));
  await refused("option", 'label "W4" twice', () => compare("fixture:llama", [w(4), w(4)], alone));
  await refused("option", "level is 95", () => compare("fixture:llama", [w(4)], { ...alone, level: 95 }));
  await refused("option", "power is 0.2", () => compare("fixture:llama", [w(4)], { ...alone, power: 0.2 }));
  await refused(
    "option",
    "buckets is [0.5,0.2]",
    () => compare("fixture:llama", [w(4)], { ...alone, buckets: [0.5, 0.2] }),
  );
  await refused(
    "windows",
    "windows has 8 tokens",
    () => compare("fixture:llama", [w(4)], { ...alone, windows: [windows[0].slice(0, 8)] }),
  );
  await refused(
    "noise",
    "llmInt8",
    () =>
      compare({ model: "fixture:llama", scheme: { linears: llmInt8() } }, ["fixture:llama"], {
        ...alone,
        noise: true,
      }),
  );
  await assertRejects(() => compare("fixture:llama", [w(4)], { ...alone, windows: [] }), CorpusError);
});
