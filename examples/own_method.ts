/** `deno run -A examples/own_method.ts`: a method of one's own, ternary weights by the mean magnitude of a group. */
import { corpus, registerMethod, sweep, type Tagged, UniformWeight, type WeightMethod } from "quantbook";

type AbsMean = Tagged & { readonly method: "absMean"; readonly size: number };
const absMean = (size: number): AbsMean => ({ method: "absMean", size });
const weights: WeightMethod<AbsMean> = {
  needs: "nothing",
  quantize({ rows, columns, data }, { size }) {
    const codes = new Uint8Array(data.length), scales = new Float32Array(data.length / size);
    for (const g of scales.keys()) {
      const group = data.subarray(g * size, (g + 1) * size);
      scales[g] = group.reduce((sum, w) => sum + Math.abs(w), 0) / size + 1e-8;
      codes.set(group.map((w) => Math.max(-1, Math.min(1, Math.round(w / scales[g]))) + 1), g * size);
    }
    return new UniformWeight({ shape: [rows, columns], bits: 2, groupSize: size, codes, scales, zeros: 1 });
  },
};
// Rows are stored under the hash of this file too: none outlives a change of the method.
const parse = (options: { size?: unknown }) => absMean(Number(options.size));
registerMethod({ name: "absMean", source: import.meta.url, parse, weights });
const windows = await corpus("sotu", { split: "test", windows: 4, length: 256 });
const cell = { model: "fixture:llama", label: "mine", scheme: { weights: absMean(64) } };
const [{ perplexity, bitsPerWeight }] = await sweep([cell], { windows });
console.log(`perplexity ${perplexity.value.toFixed(2)}, ${bitsPerWeight.toFixed(2)} bits per weight`);
