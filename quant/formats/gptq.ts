/**
 * Safetensors as AutoGPTQ writes and vLLM reads them: for each layer `qweight` (codes of 32 / bits inputs in a word),
 * `qzeros`, `scales` and `g_idx`, which names the group of each input.
 */
import type { JsonObject } from "../../base/json.ts";
import type { RawTensor } from "../../model/safetensors.ts";
import { requireHalfScales } from "./half.ts";
import { commonShape, ordered, packWords, type QuantizedLayer, transposed } from "./tensors.ts";
import { SchemeError } from "../error.ts";

/**
 * Tensors of the quantized layers, and the `quantization_config` that says how to read them. Linear layers that stay `dense` are left out by
 * name under `dynamic`, GPTQModel's settings per module: "-:" and a pattern.
 */
export function gptqTensors(
  quantized: readonly QuantizedLayer[],
  dense: readonly string[],
): { tensors: Map<string, RawTensor>; config: JsonObject } {
  const { bits, groupSize } = commonShape(quantized, "gptq");
  if (![2, 4, 8].includes(bits)) throw new SchemeError("shape", `gptq: ${bits} bits: expected 2, 4 or 8`);
  // The first version of the format stores zero points less one and cannot say 0.
  const offset = quantized.some(({ weight }) => weight.zeros().includes(0)) ? 0 : 1;
  const tensors = new Map<string, RawTensor>();
  for (const { name, weight } of quantized) {
    requireHalfScales("gptq", name, weight);
    const [out, inputs] = weight.shape;
    const { codes, groups, scales, zeros, groupOfColumn } = ordered(weight);
    const perWord = 32 / bits;
    if (inputs % perWord !== 0 || out % perWord !== 0) {
      throw new SchemeError(
        "shape",
        `gptq: ${name} is [${out}, ${inputs}]: expected multiples of ${perWord}`,
      );
    }
    tensors.set(`${name}.qweight`, {
      dtype: "I32",
      shape: [inputs / perWord, out],
      data: packWords(transposed(codes, out, inputs), inputs, out, bits),
    });
    // Zero points are packed along the outputs: words of one group lie side by side.
    const perOutput = packWords(zeros.map((zero) => zero - offset), out, groups, bits);
    tensors.set(`${name}.qzeros`, {
      dtype: "I32",
      shape: [groups, out / perWord],
      data: Int32Array.from(
        perOutput,
        (_, i) => perOutput[i % (out / perWord) * groups + Math.floor(i / (out / perWord))],
      ),
    });
    const half = Float32Array.from(transposed(scales, out, groups));
    tensors.set(`${name}.scales`, { dtype: "F16", shape: [groups, out], data: half });
    tensors.set(`${name}.g_idx`, { dtype: "I32", shape: [inputs], data: groupOfColumn });
  }
  const middle = 2 ** (bits - 1);
  return {
    tensors,
    config: {
      quant_method: "gptq",
      bits,
      group_size: groupSize,
      desc_act: quantized.some(({ weight }) => weight.permutation !== null),
      sym: quantized.every(({ weight }) => weight.zeros().every((zero) => zero === middle)),
      checkpoint_format: offset === 1 ? "gptq" : "gptq_v2",
      lm_head: false,
      ...dense.length > 0 &&
        { dynamic: Object.fromEntries(dense.map((name) => [`-:^${name.replaceAll(".", "\\.")}$`, {}])) },
    },
  };
}
