/** Decoding with KIVI's packed cache and with a dense one, 1,000 tokens into the text; and what the prompt costs. */
import { corpus } from "../eval/corpus.ts";
import { DenseCache } from "../model/decoder/cache.ts";
import { loadModel } from "../model/load.ts";
import type { Model } from "../model/model.ts";
import { kivi } from "../quant/methods/kivi.ts";
import { quantize } from "../quant/quantize.ts";

const [context] = await corpus("sotu", { split: "test", windows: 1, length: 1000 });
const float = await loadModel("fixture:llama");
const models: [string, Model][] = [["dense, 32 bits", float]];
for (const bits of [4, 2]) {
  models.push([`packed, ${bits} bits`, await quantize(float, { kv: kivi({ bits }) })]);
  models.push([
    `simulated, ${bits} bits`,
    await quantize(float, { kv: kivi({ bits, execution: "simulated" }) }),
  ]);
}

const steps = 16;
for (const [name, model] of models) {
  const { layers, kvHeads, headDim } = model.architecture;
  const filled = async () => {
    const cache = model.createCache(2048) ??
      new DenseCache(model.device, layers, kvHeads * headDim, 2048);
    await model.step(context, cache);
    return cache;
  };
  const decode = async (cache: Awaited<ReturnType<typeof filled>>) => {
    for (let i = 0; i < steps; i++) await model.step(context.slice(i, i + 1), cache);
  };
  Deno.bench(
    { name, group: `${steps} tokens after 1,000`, baseline: model === float, n: 5, warmup: 1 },
    async (b) => {
      using cache = await filled();
      b.start();
      await decode(cache);
      b.end();
    },
  );
  Deno.bench(
    { name, group: "a prompt of 1,000 tokens", baseline: model === float, n: 5, warmup: 1 },
    async () => {
      using _cache = await filled();
    },
  );

  // Rates for the eye; Deno.bench prints times only.
  using cache = await filled();
  await decode(cache);
  const start = performance.now();
  await decode(cache);
  const rate = 1000 * steps / (performance.now() - start);
  console.log(
    `${name}: ${rate.toFixed(0)} tokens/s, cache ${(cache.byteLength / cache.length).toFixed(0)} bytes/token`,
  );
}
