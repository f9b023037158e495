/**
 * Models on the GPU device against the CPU device: perplexities within 1e-3 of each other, every method of the suite.
 * Both compute in float32 with different orders of sums; where activations are rounded on the fly, a value that falls
 * on the other side of a tie makes the two differ by more than that, hence the bound of the issue and not a derived one.
 */

import { assert, assertLessOrEqual } from "@std/assert";
import { cpuDevice } from "../kernels/cpu/device.ts";
import type { Device, DeviceBuffer } from "../kernels/device.ts";
import { findAdapter } from "../kernels/gpu/adapter.ts";
import { gpuDevice } from "../kernels/gpu/device.ts";
import { linearRoles, tensorName } from "../model/architecture.ts";
import { loadModel } from "../model/load.ts";
import { linearKey } from "../model/decoder/parameters.ts";
import type { Model } from "../model/model.ts";
import { denseLinear, type Linear, type Parameter, vectorParameter } from "../model/decoder/parameter.ts";
import { abq } from "../quant/methods/abq.ts";
import { affine } from "../quant/methods/affine.ts";
import { awq } from "../quant/methods/awq.ts";
import { bcq } from "../quant/methods/bcq.ts";
import { crossQuant } from "../quant/methods/crossquant.ts";
import { dgq } from "../quant/methods/dgq.ts";
import { distill } from "../quant/methods/distill.ts";
import { fp8 } from "../quant/methods/fp8.ts";
import { fptq } from "../quant/methods/fptq.ts";
import { gptaq } from "../quant/methods/gptaq.ts";
import { gptq } from "../quant/methods/gptq.ts";
import { hqq } from "../quant/methods/hqq.ts";
import { kivi } from "../quant/methods/kivi.ts";
import { kvquant } from "../quant/methods/kvquant.ts";
import { llmFp4 } from "../quant/methods/llmfp4.ts";
import { llmInt8 } from "../quant/methods/llmint8.ts";
import { mx } from "../quant/methods/mx.ts";
import { nf4 } from "../quant/methods/nf4.ts";
import { nvfp4 } from "../quant/methods/nvfp4.ts";
import { odyssey } from "../quant/methods/odyssey.ts";
import { omniquant } from "../quant/methods/omniquant.ts";
import { qqq } from "../quant/methods/qqq.ts";
import { qrazor } from "../quant/methods/qrazor.ts";
import { quik } from "../quant/methods/quik.ts";
import { quarot } from "../quant/methods/quarot.ts";
import { quantize } from "../quant/quantize.ts";
import { quantizedLinear, storedWeight } from "../quant/weights/linear.ts";
import { builtIn } from "../quant/registry.ts";
import { magnitude } from "../quant/methods/magnitude.ts";
import { rtn } from "../quant/methods/rtn.ts";
import { sparseGpt } from "../quant/methods/sparsegpt.ts";
import { obq } from "../quant/methods/obq.ts";
import { obs } from "../quant/methods/obs.ts";
import { ptq161 } from "../quant/methods/ptq161.ts";
import { slimLlm } from "../quant/methods/slimllm.ts";
import { svdQuant } from "../quant/methods/svdquant.ts";
import { wanda } from "../quant/methods/wanda.ts";
import type { Scheme } from "../quant/scheme.ts";
import { smoothQuant } from "../quant/methods/smoothquant.ts";
import { spinquant } from "../quant/methods/spinquant.ts";
import { spqr } from "../quant/methods/spqr.ts";
import { zeroQuant } from "../quant/methods/zeroquant.ts";
import { corpus } from "./corpus.ts";
import { assertAmongDraws } from "./oracle/check_testing.ts";
import { noisyDraws } from "./oracle/golden_testing.ts";
import { perplexity } from "./metrics/perplexity.ts";

const adapter = await findAdapter();
if (typeof adapter === "string") console.log(`the GPU device is not tested: ${adapter}`);
const ignore = typeof adapter === "string";

const everything = Deno.env.get("QUANTBOOK_ORACLE") === "all";
/** Every method, and on enough tokens for those that round activations. */
const everyMethod = everything || Deno.env.get("QUANTBOOK_DEVICE") === "gpu";

// Codes of activations that fall to the other side of a tie average out over tokens: with ZeroQuant, the reference device
// and the CPU differ by 7.5e-4 on 192 tokens of llama, by 1.9e-4 on 512.
const windows = await corpus("sotu", { split: "test", windows: 2, length: everyMethod ? 256 : 40 });
const calibration = await corpus("sotu", {
  split: "train",
  windows: everything ? 4 : 2,
  length: everything ? 96 : 40,
  seed: 0,
});

/** A model, quantized if there is anything to quantize. */
async function quantized(device: Device, name: string, scheme: Scheme): Promise<Model> {
  using model = await loadModel(name, { device });
  return await quantize(model, scheme, { calibration });
}

/** The same weights, and norms into which factors may have been folded, on another device. */
async function moved(model: Model, device: Device): Promise<Model> {
  using plain = await loadModel(model.name, { device });
  const linears = new Map<string, Parameter<Linear>>(), vectors = new Map<string, Parameter<DeviceBuffer>>();
  const { attentionNorm, mlpNorm } = model.architecture;
  for (let layer = 0; layer < model.architecture.layers; layer++) {
    for (
      const template of [attentionNorm, mlpNorm].flatMap(({ weight, bias }) => [weight, bias ?? []].flat())
    ) {
      const { name, values, shape } = model.vector(tensorName(template, layer));
      vectors.set(name, vectorParameter(device, name, values, shape));
    }
    for (const role of linearRoles(model.architecture)) {
      const { name, shape: [out, inputs], values } = model.linear(layer, role);
      const linear = denseLinear(device, name, [out, inputs], values, model.bias(layer, role));
      linears.set(linearKey(layer, role), linear);
    }
  }
  return plain.with({ linears, vectors, change: "moved" });
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
  // Candidates that float32 sums decide between: two, so that few near ties are among them.
  llmFp4: { linears: llmFp4({ rounds: 1, steps: 2, from: 0.8, to: 1.2, tokens: 64 }) },
  llmInt8: { linears: llmInt8({ threshold: 6 }) },
  obq: { overrides: [{ layers: [0], linears: ["k"], weights: obq({ bits: 4, percdamp: 0.01 }) }] },
  obs: { overrides: [{ layers: [0], linears: ["k"], sparsity: obs({ pattern: "2:4", percdamp: 0.01 }) }] },
  ptq161: { weights: ptq161() },
  slimLlm: { weights: slimLlm({ bits: 3, groupSize: 64, pairs: 1 }) },
  svdQuant: {
    linears: svdQuant({ rank: 8, iterations: 1, smooth: { alpha: 0.5, beta: 0.5 }, activations: token8 }),
  },
  zeroQuant: { weights: zero, activations: token8 },
  distill: {
    transforms: [distill({ weights: zero, steps: 2, batch: 2, learningRate: 5e-6 })],
    weights: zero,
  },
  gptq: { weights: gptq({ bits: 4, actOrder: true }) },
  awq: { weights: awq({ bits: 4, groupSize: 64 }) },
  spqr: { weights: spqr({ bits: 3, groupSize: 16 }) },
  odyssey: { weights: odyssey({ steps: 8 }), activations: token8 },
  // A step of Adam is the sign of a gradient: what is learned differs between devices; the start does not.
  omniquant: { weights: omniquant({ bits: 4, equivalent: true, epochs: 0 }), activations: token8 },
  abq: { weights: abq({ bits: 2, groupSize: 64, epochs: 0 }) },
  affine: { weights: affine({ bits: 4, groupSize: 64, equivalent: false, epochs: 0 }) },
  // The search of a hundred thresholds takes lavapipe ten minutes.
  qqq: { weights: qqq({ groupSize: 128, thresholds: 8 }), activations: token8 },
  qrazor: { weights: qrazor({ bits: 4, baseBits: 8, groupSize: 16 }) },
  bcq: { weights: bcq({ bits: 4, groupSize: 64, rounds: 2 }) },
  fp8: { weights: fp8({ granularity: "block" }), activations: fp8({ granularity: "token" }) },
  mx: { weights: mx({ element: "e2m1" }), activations: mx({ element: "e4m3" }) },
  nvfp4: { weights: nvfp4({ target: "mse" }) },
  nf4: { weights: nf4({ doubleQuant: true }) },
  dgq: {
    transforms: [dgq()],
    weights: dgq({ groupSize: 64 }),
    activations: dgq({ ranges: "token" }),
    query: dgq({ ranges: "token" }),
  },
  hqq: { weights: hqq({ bits: 4, groupSize: 64, iterations: 2 }) },
  magnitude: { sparsity: magnitude({ pattern: "2:4" }), weights: rtn({ bits: 4, groupSize: 64 }) },
  wanda: { sparsity: wanda() },
  sparseGpt: { sparsity: sparseGpt({ pattern: "2:4", bits: 4 }) },
  crossQuant: { activations: crossQuant({ bits: 8 }) },
  fptq: { transforms: [fptq()], weights: rtn({ bits: 4, groupSize: 64 }), activations: fptq() },
  quarot: { transforms: [quarot()], weights: rtn({ bits: 6 }), activations: token8 },
  spinquant: {
    transforms: [spinquant({ steps: 1, batch: 1 })],
    weights: rtn({ bits: 6 }),
    activations: token8,
  },
  gptaq: { weights: gptaq({ bits: 4, groupSize: 64 }) },
  quik: { weights: quik({ kept: 16 }) },
  "quik of inputs": { activations: quik({ bits: 8, kept: 16 }) },
  kivi: { kv: kivi({ bits: 2 }) },
  kvquant: { kv: kvquant({ bits: 4 }) },
};
/** What a run on another device checks; with `QUANTBOOK_DEVICE=gpu` it is every method. */
const few = ["no quantization", "rtn", "kivi"];
const names = Object.keys(schemes).filter((name) => everyMethod || few.includes(name));

Deno.test("gpu: every method of the registry has a scheme here", () => {
  for (const method of Object.keys(builtIn)) {
    assert(JSON.stringify(schemes[method] ?? {}).includes(`"method":"${method}"`), `no scheme of ${method}`);
  }
});

/**
 * GPTQ, SliM-LLM, GPTAQ, SpQR, QQQ, QUIK and OdysseyLLM decide code by code on what the codes before have left, in layers behind quantized layers: the last bit
 * of a Hessian decides which way a near tie goes, and the models that two devices make differ as two good models do. (Here
 * the reference device, with float64 sums, and the CPU device differ by 1.5% for GPTQ and 5.6% for SpQR.) So what the GPU
 * has made is compared with itself on the CPU; and it must be one of the models that the CPU makes of a Hessian with noise.
 */
const chaotic = ["gptq", "slimLlm", "gptaq", "spqr", "qqq", "quik", "odyssey"];

/**
 * Rounded activations of which a code that falls to the other side of a tie moves more than 1e-3 of the perplexity of these 512 tokens: fixed
 * ranges have one step for all tokens, the largest token's (FPTQ); DGQ also rounds queries, and LLM-FP4 rounds to 16 numbers, and their
 * searches decide between candidates by sums in float32. Inputs with noise of 2^-21, what two orders of a sum differ by, move the CPU's own
 * perplexity by up to 1.5e-3 with all ranges fixed and 8e-4 by FPTQ's strategy (eight draws), 2.0e-3 by DGQ and 7.5e-3 by LLM-FP4
 * (six draws, from the least to the largest). Beyond 1e-3 the GPU must lie where such draws put the CPU.
 */
const tied = ["fptq", "dgq", "llmFp4"];

for (const name of names) {
  for (const model of everything ? ["fixture:llama", "fixture:opt"] : ["fixture:llama"]) {
    const scheme = schemes[name];
    Deno.test({
      name: `gpu: the perplexity of ${model} is that of the CPU: ${name}`,
      ignore,
      async fn() {
        using cpu = await cpuDevice(), gpu = await gpuDevice();
        const { weights, ...others } = scheme, isChaotic = chaotic.includes(name) && weights !== undefined;
        using weightsOnGpu = await quantized(gpu, model, isChaotic ? { weights } : scheme);
        using weightsOnCpu = isChaotic ? await moved(weightsOnGpu, cpu) : await quantized(cpu, model, scheme);
        using onGpu = await quantize(weightsOnGpu, isChaotic ? others : {});
        using onCpu = await quantize(weightsOnCpu, isChaotic ? others : {});
        const { value: expected } = await perplexity(onCpu, windows);
        const { value: got } = await perplexity(onGpu, windows);
        const difference = Math.abs(got / expected - 1);
        console.log(`${model}, ${name}: ${difference.toExponential(1)} of ${expected}`);
        if (difference >= 1e-3 && tied.includes(name)) {
          using float = await loadModel(model, { device: cpu });
          const { mean, interval, draws } = await noisyDraws(float, scheme, { calibration, windows });
          const shown = `${got} on the GPU, ${expected} on the CPU, with noise ${
            draws.map(Math.exp).join(" ")
          }`;
          console.log(shown);
          return assert(Math.abs(Math.log(got) - mean) <= interval, shown);
        }
        assert(difference < 1e-3, `${got} on the GPU, ${expected} on the CPU`);
        if (!isChaotic) return;
        using float = await loadModel(model, { device: cpu });
        await assertAmongDraws(float, scheme, got, { calibration, windows });
      },
    });
  }
}

/** The same quantized weights, multiplied as they are stored. */
function executedPacked(model: Model): Model {
  const linears = new Map<string, Parameter<Linear>>();
  for (let layer = 0; layer < model.architecture.layers; layer++) {
    for (const role of linearRoles(model.architecture)) {
      const { name } = model.linear(layer, role), packed = storedWeight(model, layer, role);
      assert(packed !== undefined);
      const bias = model.bias(layer, role);
      linears.set(
        linearKey(layer, role),
        quantizedLinear(model.device, name, packed, bias, "any", "packed"),
      );
    }
  }
  return model.with({ linears, change: "packed" });
}

/** Weights that the GPU multiplies as they are stored. */
const packed: Record<string, Scheme> = {
  rtn: { weights: rtn({ bits: 3, groupSize: 64 }) },
  qrazor: { weights: qrazor({ bits: 4, baseBits: 8, groupSize: 16 }) },
  bcq: { weights: bcq({ bits: 3, groupSize: 64, rounds: 1 }) },
  spqr: schemes.spqr,
  quik: schemes.quik,
};

for (const [name, scheme] of Object.entries(packed)) {
  Deno.test({
    name: `gpu: packed weights give the logits of their values: ${name}`,
    ignore,
    async fn() {
      using gpu = await gpuDevice();
      using simulated = await quantized(gpu, "fixture:llama", scheme);
      using packed = executedPacked(simulated);
      for (const tokens of [1, 7]) {
        const ids = windows[0].slice(0, tokens), expected = await simulated.logits(ids);
        const most = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
        // Float32 rounding of a few hundred products in another order, in each of four layers.
        for (const [i, logit] of (await packed.logits(ids)).entries()) {
          assertLessOrEqual(
            Math.abs(logit - expected[i]),
            4 * 64 * 2 ** -24 * most,
            `${tokens} tokens, ${i}`,
          );
        }
      }
      const [one, other] = [await packed.linear(0, "up").load(), await simulated.linear(0, "up").load()];
      assert(3 * one.byteLength < other.byteLength, `${one.byteLength} bytes beside ${other.byteLength}`);
    },
  });
}
