/**
 * Writes the fixture model, quantized four ways, in every format that Python peers read, for `fixtures/made-with/check_exports.py`.
 *
 *     deno run -A bench/export_samples.ts DIR && python3 fixtures/made-with/check_exports.py DIR
 */
import { corpus, exportModel, gptq, loadModel, quantize, rtn } from "quantbook";
import { writeSafetensors } from "quantbook/model";
import { storedWeight } from "quantbook/quant";

const [directory] = Deno.args;
if (directory === undefined) throw new TypeError("usage: export_samples.ts DIR");
const calibration = await corpus("calibration", { windows: 2, length: 128, seed: 0 });
using base = await loadModel("fixture:llama");
const schemes = {
  sym: { weights: rtn({ bits: 4, groupSize: 32, symmetric: true }) },
  asym: { weights: rtn({ bits: 4, groupSize: 64, symmetric: false }) },
  eight: { weights: rtn({ bits: 8, symmetric: true }) },
  gptq: { weights: gptq({ bits: 4, groupSize: 32, actOrder: true }) },
};
for (const [name, scheme] of Object.entries(schemes)) {
  using model = await quantize(base, scheme, { calibration });
  for (const format of ["gptq", "compressed-tensors", "gguf"] as const) {
    // compressed-tensors no longer reads groups in another order than the columns'.
    if (name === "gptq" && format === "compressed-tensors") continue;
    await exportModel(model, `${directory}/${name}-${format}`, { format });
  }
  const weight = storedWeight(model, 0, "q");
  if (weight === undefined) throw new TypeError("unreachable: all weights are quantized");
  const data = Float32Array.from(weight.dequantize());
  const prompt = model.tokenizer.encode("The President of the United States"),
    tokens = await model.generate(prompt);
  await writeSafetensors(
    `${directory}/${name}.safetensors`,
    new Map([
      ["q", { dtype: "F32", shape: weight.shape, data }],
      // Token ids are exact in float32.
      ["prompt", { dtype: "F32", shape: [prompt.length], data: Float32Array.from(prompt) }],
      ["tokens", { dtype: "F32", shape: [tokens.length], data: Float32Array.from(tokens) }],
    ]),
  );
}
