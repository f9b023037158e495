/**
 * Models on the GPU device against the CPU device: perplexities within 1e-3 of each other, every method of the suite.
 * Both compute in float32 with different orders of sums; where activations are rounded on the fly, a value that falls
 * on the other side of a tie makes the two differ by more than that, hence the bound of the issue and not a derived one.
 */

import { assert } from "@std/assert";
import { cpuDevice } from "../kernels/cpu/device.ts";
import type { Device } from "../kernels/device.ts";
import { findAdapter } from "../kernels/gpu/adapter.ts";
import { gpuDevice } from "../kernels/gpu/device.ts";
import { linearRoles } from "../model/architecture.ts";
import { loadModel } from "../model/load.ts";
import { linearKey, type Model } from "../model/model.ts";
import { denseLinear, type Linear, type Parameter } from "../model/parameter.ts";
import { awq } from "../quant/awq.ts";
import { bcq } from "../quant/bcq.ts";
import { distill } from "../quant/distill.ts";
import { gptq } from "../quant/gptq.ts";
import { kivi } from "../quant/kivi.ts";
import { kvquant } from "../quant/kvquant.ts";
import { llmInt8 } from "../quant/llmint8.ts";
import { qqq } from "../quant/qqq.ts";
import { qrazor } from "../quant/qrazor.ts";
import { quantize } from "../quant/quantize.ts";
import { rtn } from "../quant/rtn.ts";
import type { Scheme } from "../quant/scheme.ts";
import { smoothQuant } from "../quant/smoothquant.ts";
import { spqr } from "../quant/spqr.ts";
import { zeroQuant } from "../quant/zeroquant.ts";
import { corpus } from "./corpus.ts";
import { perplexity } from "./perplexity.ts";

const adapter = await findAdapter();
if (typeof adapter === "string") console.log(`the GPU device is not tested: ${adapter}`);
const ignore = typeof adapter === "string";

const everything = Deno.env.get("QUANTBOOK_ORACLE") === "all";

/** A model, quantized if there is anything to quantize, and calibrated on two windows or four. */
async function quantized(device: Device, name: string, scheme: Scheme, length: number): Promise<Model> {
  using model = await loadModel(name, { device });
  const windows = everything ? 4 : 2;
  return await quantize(model, scheme, {
    calibration: await corpus("sotu", { split: "train", windows, length, seed: 0 }),
  });
}

/** Its perplexity on two windows of the test split. */
async function perplexityOf(model: Model, length: number): Promise<number> {
  return (await perplexity(model, await corpus("sotu", { split: "test", windows: 2, length }))).value;
}

/** The same weights on another device. */
async function moved(model: Model, device: Device): Promise<Model> {
  using plain = await loadModel(model.name, { device });
  const linears = new Map<string, Parameter<Linear>>();
  for (let layer = 0; layer < model.architecture.layers; layer++) {
    for (const role of linearRoles(model.architecture)) {
      const { name, shape: [out, inputs], values } = model.linear(layer, role);
      const linear = denseLinear(device, name, [out, inputs], values, model.bias(layer, role));
      linears.set(linearKey(layer, role), linear);
    }
  }
  return plain.with({ linears, change: "moved" });
}

const token8 = rtn({ bits: 8, granularity: "token" });
const column8 = rtn({ bits: 8, granularity: "channel" });
const tensor8 = rtn({ bits: 8, granularity: "tensor" });
const zero = zeroQuant({ bits: 8, mlpBits: 4 });
const schemes: Record<string, Scheme> = {
  "no quantization": {},
  rtn: { weights: rtn({ bits: 4, groupSize: 64 }), activations: token8 },
  "rtn of attention": { query: token8, key: token8, value: column8, scores: tensor8 },
  smoothQuant: { transforms: [smoothQuant({ alpha: 0.55 })], weights: rtn({ bits: 8 }), activations: token8 },
  llmInt8: { linears: llmInt8({ threshold: 6 }) },
  zeroQuant: { weights: zero, activations: token8 },
  distill: { transforms: [distill({ weights: zero, steps: 2, learningRate: 5e-6 })], weights: zero },
  gptq: { weights: gptq({ bits: 4, actOrder: true }) },
  awq: { weights: awq({ bits: 4, groupSize: 64 }) },
  spqr: { weights: spqr({ bits: 3, groupSize: 16 }) },
  qqq: { weights: qqq({ groupSize: 128 }), activations: token8 },
  qrazor: { weights: qrazor({ bits: 4, baseBits: 8, groupSize: 16 }) },
  bcq: { weights: bcq({ bits: 4, groupSize: 64, rounds: 2 }) },
  kivi: { kv: kivi({ bits: 2 }) },
  kvquant: { kv: kvquant({ bits: 4 }) },
};
/** What the ordinary run checks. */
const few = ["no quantization", "rtn", "kivi"];

/**
 * GPTQ and SpQR decide code by code on what the codes before have left, in layers behind quantized layers: the last bit
 * of a Hessian decides which way a near tie goes, and the models that two devices make differ as two good models do. (Here
 * the reference device, with float64 sums, and the CPU device differ by 1.5% for GPTQ and 5.6% for SpQR.) What the GPU has
 * made is therefore compared with itself on the CPU.
 */
const chaotic = ["gptq", "spqr"];

for (const [name, scheme] of Object.entries(schemes)) {
  for (const model of everything ? ["fixture:llama", "fixture:opt"] : ["fixture:llama"]) {
    if (!everything && !few.includes(name)) continue;
    Deno.test({
      name: `gpu: the perplexity of ${model} is that of the CPU: ${name}`,
      ignore,
      async fn() {
        // Long enough that codes which fall to the other side of a tie average out: on 192 tokens of llama the reference
        // device and the CPU differ by 7.5e-4 with ZeroQuant, on 512 by 1.9e-4.
        const length = everything ? 256 : 40, calibrated = everything ? 96 : 40;
        using cpu = await cpuDevice(), gpu = await gpuDevice();
        using onGpu = await quantized(gpu, model, scheme, calibrated);
        using onCpu = chaotic.includes(name)
          ? await moved(onGpu, cpu)
          : await quantized(cpu, model, scheme, calibrated);
        const expected = await perplexityOf(onCpu, length), got = await perplexityOf(onGpu, length);
        const difference = Math.abs(got / expected - 1);
        if (everything) console.log(`${model}, ${name}: ${difference.toExponential(1)} of ${expected}`);
        assert(difference < 1e-3, `${got} on the GPU, ${expected} on the CPU`);
      },
    });
  }
}
