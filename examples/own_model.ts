/** `deno run -A examples/own_model.ts [MODEL]`: what 4-bit weights and a 2-bit cache cost a model: a directory, a file, a name on the hub. */
import { corpus, divergence, gptq, kivi, loadModel, perplexity, quantize, weightStorage } from "quantbook";

using model = await loadModel(Deno.args[0] ?? "fixture:llama");
const { tokenizer } = model;
const text = await corpus("sotu", { split: "test", windows: 4, length: 256, tokenizer });
const calibration = await corpus("calibration", { windows: 8, length: 256, seed: 0, tokenizer });

using small = await quantize(model, {
  weights: gptq({ bits: 4, groupSize: 32, actOrder: true }),
  kv: kivi({ bits: 2 }),
}, { calibration });

const [before, after] = [await perplexity(model, text), await perplexity(small, text)];
const { value, top1Agreement } = await divergence(small, model, text);
console.log(`bits per weight  ${weightStorage(small).bitsPerWeight.toFixed(2)}`);
console.log(
  `perplexity       ${before.value.toFixed(2)} -> ${after.value.toFixed(2)} ± ${
    after.standardError.toFixed(2)
  }`,
);
console.log(
  `divergence       ${value.toFixed(4)} nats, same first choice ${(100 * top1Agreement).toFixed(1)}%`,
);
