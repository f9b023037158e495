/** KIVI against the original code: perplexities, decoding token by token, short prompts. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { onSoftwareGpu } from "../../kernels/conformance/software_gpu.ts";
import type { KeyValueCache } from "../../model/decoder/cache.ts";
import { argmax } from "../../model/generate.ts";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import { kivi, type KiviOptions } from "../../quant/methods/kivi.ts";
import { KiviCache } from "../../quant/caches/kivi.ts";
import { quantize } from "../../quant/quantize.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { oracle, oracleTensors, oracleWindows } from "../oracle.ts";
import { checkAgainstOracle, isCompared } from "./check_testing.ts";

/** The oracle's perplexities and the schemes that reproduce them; "vanilla" leaves the prompt's attention alone. */
function kiviSchemes(): Map<string, Scheme> {
  const schemes = new Map<string, Scheme>();
  const add = (id: string, options: KiviOptions) => schemes.set(id, { kv: kivi(options) });
  for (const bits of [4, 2]) {
    for (const groupSize of [32, 16]) {
      for (const residualLength of [128, 32]) {
        const options = { bits, groupSize, residualLength, precision: "float32" } as const;
        const id = `kivi-${bits}-g${groupSize}-r${residualLength}`;
        add(`${id}-prefillquant`, { ...options, prefill: "quantized" });
        add(`${id}-vanilla`, { ...options, prefill: "full" });
      }
    }
    add(`kivi-${bits}-g32-r128-prefillquant-fp16`, { bits, precision: "float16" });
  }
  add("kivi-2-g32-r128-prefillquant-eager", { bits: 2, precision: "float32" });
  return schemes;
}

const quick = {
  "llama": ["kivi-4-g16-r32-prefillquant", "kivi-2-g32-r128-prefillquant"],
  "llama-outlier": ["kivi-2-g32-r128-prefillquant-fp16"],
};

for (const [model, ids] of Object.entries(quick)) {
  Deno.test(`${model}: KIVI gives the original code's perplexities`, { ignore: onSoftwareGpu }, async (t) => {
    // Float32 rows differ by a few 1e-4: codes that fall on the other side of a rounding boundary. The fp16 rows ran with
    // a float16 model there, and here only the cache is float16. Noise of the size of float16 rounding, added to our
    // keys, moves the 2-bit perplexity by 0.15% either way (25.13 to 25.22 with four seeds; theirs is 25.27).
    await checkAgainstOracle(t, model, kiviSchemes(), { tolerance: 5e-3, quick: ids });
  });
}

/** Logits after the prompt and after each further token but the last. */
async function* decode(
  model: Model,
  cache: KeyValueCache,
  prompt: Int32Array,
  tokens: readonly number[],
): AsyncGenerator<Float32Array> {
  let input = prompt;
  for (const token of tokens) {
    yield await model.step(input, cache);
    input = Int32Array.of(token);
  }
}

/** What the oracle recorded of a decoding run. */
interface Decoding {
  readonly greedy: number[];
  readonly margin: number[];
  readonly logitMean: number[];
  readonly logitMax: number[];
  readonly teacherForcedNll: number[];
  readonly cacheLen: { kFull: number; vFull: number; kQuantWords: number; vQuant: number };
}

// Float32 sums of up to 512 products, in another order, through four layers: 64 units of the largest logit in each.
const rounding = 4 * 64 * 2 ** -24;
const decodings = [
  ["kivi-decode-4-g32-r128", { bits: 4, prefill: "full" }],
  ["kivi-decode-2-g32-r128", { bits: 2, prefill: "full" }],
  ["kivi-decode-2-g32-r128-prefillquant", { bits: 2, prefill: "quantized" }],
  ["kivi-decode-4-g32-r32", { bits: 4, residualLength: 32, prefill: "full" }],
  ["kivi-decode-2-g32-r32", { bits: 2, residualLength: 32, prefill: "full" }],
] as const;
const all = isCompared("kivi", []);

for (const model of ["llama", "llama-outlier"]) {
  Deno.test(`${model}: decoding over the packed cache follows the original code token by token`, async (t) => {
    const [prompt] = await oracleWindows("prompt");
    const text = (await oracleWindows("test")).flatMap((ids) => Array.from(ids));
    const tensors = await oracleTensors(model);
    using float = await loadModel(`fixture:${model}`);
    for (const [id, options] of all ? decodings : decodings.slice(1, 3)) {
      await t.step(id, async () => {
        const expected = (await oracle(model, id)).extra as unknown as Decoding;
        const { greedy, margin, logitMean, logitMax, teacherForcedNll, cacheLen } = expected;
        using quantized = await quantize(float, { kv: kivi({ ...options, precision: "float32" }) });
        const capacity = prompt.length + greedy.length;
        const recorded = tensors.get(`kiviDecode${options.bits}.logits`);
        const logits = id.endsWith("r128") ? recorded?.data : undefined;
        const vocabulary = quantized.architecture.vocabularySize;

        using along = quantized.createCache(capacity);
        assert(along instanceof KiviCache);
        let i = 0;
        for await (const found of decode(quantized, along, prompt, greedy)) {
          const bound = rounding * logitMax[i];
          assertAlmostEquals(Math.max(...found), logitMax[i], bound, `${id}: largest logit of token ${i}`);
          const mean = found.reduce((sum, x) => sum + x, 0) / found.length;
          assertAlmostEquals(mean, logitMean[i], bound, `${id}: mean logit of token ${i}`);
          if (logits instanceof Float32Array && i < 40) {
            found.forEach((x, j) => assertAlmostEquals(x, logits[i * vocabulary + j], bound));
          }
          if (margin[i] > 2 * bound) assertEquals(argmax(found), greedy[i], `${id}: token ${i}`);
          i++;
        }
        assertEquals(i, greedy.length);
        const key = along.keys[0], value = along.values[0];
        assertEquals({
          kFull: key.length - key.quantized,
          vFull: value.length - value.quantized,
          kQuantWords: key.quantized * options.bits / 32,
          vQuant: value.quantized,
        }, cacheLen);

        using forced = quantized.createCache(capacity);
        assert(forced !== null);
        i = 0;
        const continuation = text.slice(prompt.length, capacity);
        for await (const found of decode(quantized, forced, prompt, continuation)) {
          const most = Math.max(...found);
          const total = found.reduce((sum, x) => sum + Math.exp(x - most), 0);
          const nll = Math.log(total) + most - found[continuation[i]];
          // The difference of two logits (and the log of a sum, which errs less than its terms).
          assertAlmostEquals(nll, teacherForcedNll[i], 3 * rounding * Math.abs(most), `${id}: token ${i}`);
          i++;
        }
      });
    }
  });
}

Deno.test("prompts of every length run: where the original's eager class crashes (2 to 128 tokens), values stay full", async () => {
  const { crash } = (await oracle("llama", "kivi-short-prompts")).extra as { crash: Record<string, string> };
  const [prompt] = await oracleWindows("test");
  using float = await loadModel("fixture:llama");
  using quantized = await quantize(float, { kv: kivi({ bits: 2, precision: "float32" }) });
  const cases = Object.entries(crash).filter(([name]) => name.startsWith("eager"));
  assertEquals(cases.length, 7);
  for (const [name, outcome] of cases) {
    const tokens = Number(name.split("T=")[1]);
    assertEquals(outcome === "ok", tokens === 1 || tokens > 128, name);
    const ids = prompt.slice(0, tokens);
    const [found, expected] = [await quantized.logits(ids), await float.logits(ids)];
    assert(found.every(Number.isFinite));
    // Keys are packed from 128 tokens on, values from 129 on.
    if (tokens < 128) assertEquals(found, expected);
    else assert(found.some((x, i) => Math.abs(x - expected[i]) > 1e-2), name);
  }
});
