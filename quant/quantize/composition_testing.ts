/** Any weights x activations x cache x transforms: every combination runs without a special case in `quantize`. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { oracleWindows } from "../../eval/oracle.ts";
import { perplexity } from "../../eval/metrics/perplexity.ts";
import { loadModel } from "../../model/load.ts";
import { readSafetensors, writeSafetensors } from "../../model/safetensors.ts";
import { abq } from "../methods/abq.ts";
import { affine } from "../methods/affine.ts";
import { awq } from "../methods/awq.ts";
import { bcq } from "../methods/bcq.ts";
import { dgq } from "../methods/dgq.ts";
import { fp8 } from "../methods/fp8.ts";
import { gptaq } from "../methods/gptaq.ts";
import { gptq } from "../methods/gptq.ts";
import { kivi } from "../methods/kivi.ts";
import { kvquant } from "../methods/kvquant.ts";
import { llmFp4 } from "../methods/llmfp4.ts";
import { llmInt8 } from "../methods/llmint8.ts";
import { mx } from "../methods/mx.ts";
import { nf4 } from "../methods/nf4.ts";
import { nvfp4 } from "../methods/nvfp4.ts";
import { odyssey } from "../methods/odyssey.ts";
import { omniquant } from "../methods/omniquant.ts";
import { qqq } from "../methods/qqq.ts";
import { quik } from "../methods/quik.ts";
import { quarot } from "../methods/quarot.ts";
import { qrazor } from "../methods/qrazor.ts";
import { quantize } from "../quantize.ts";
import { magnitude } from "../methods/magnitude.ts";
import { rtn } from "../methods/rtn.ts";
import { sparseGpt } from "../methods/sparsegpt.ts";
import { wanda } from "../methods/wanda.ts";
import { parseScheme, type Scheme } from "../scheme.ts";
import { smoothQuant } from "../methods/smoothquant.ts";
import { spqr } from "../methods/spqr.ts";
import { obq } from "../methods/obq.ts";
import { obs } from "../methods/obs.ts";
import { ptq161 } from "../methods/ptq161.ts";
import { slimLlm } from "../methods/slimllm.ts";
import { svdQuant } from "../methods/svdquant.ts";
import { zeroQuant } from "../methods/zeroquant.ts";

const token8 = rtn({ bits: 8, granularity: "token" });

const weights: Record<string, Scheme> = {
  rtn: { weights: rtn({ bits: 4, groupSize: 64 }) },
  gptq: { weights: gptq({ bits: 4, actOrder: true }) },
  gptaq: { weights: gptaq({ bits: 4, groupSize: 64 }) },
  quik: { weights: quik({ kept: 16, search: "mse" }) },
  spqr: { weights: spqr({ bits: 3, groupSize: 16 }) },
  bcq: { weights: bcq({ bits: 4, groupSize: 64, rounds: 2 }) },
  qrazor: { weights: qrazor({ bits: 4, baseBits: 8, groupSize: 16 }) },
  zeroQuant: { weights: zeroQuant({ bits: 8, mlpBits: 4 }) },
  obq: { overrides: [{ linears: ["k"], weights: obq({ bits: 4, percdamp: 0.01 }) }] },
  obs: {
    overrides: [{ linears: ["k"], sparsity: obs({ pattern: "3:4", percdamp: 0.01 }) }],
    weights: rtn({ bits: 6, groupSize: 64 }),
  },
  ptq161: { weights: ptq161({ ratio: 0.95, bits: 8 }) },
  slimLlm: { weights: slimLlm({ bits: 4, groupSize: 64, pairs: 1 }) },
  awq: { weights: awq({ bits: 4, groupSize: 64 }) },
  odyssey: { weights: odyssey({ steps: 4 }) },
  abq: { weights: abq({ bits: 4, groupSize: 64, epochs: 0 }) },
  affine: { weights: affine({ bits: 4, groupSize: 64, equivalent: false, epochs: 0 }) },
  omniquant: { weights: omniquant({ bits: 4, groupSize: 64, epochs: 1 }) },
  qqq: { weights: qqq({ groupSize: 128 }) },
  dgq: { weights: dgq({ groupSize: 64 }) },
  fp8: { weights: fp8({ granularity: "block" }) },
  mx: { weights: mx({ element: "e2m1", scaleRule: "even" }) },
  nvfp4: { weights: nvfp4() },
  nf4: { weights: nf4({ doubleQuant: true }) },
  llmFp4: { linears: llmFp4({ search: "none" }) },
  magnitude: { sparsity: magnitude({ sparsity: 0.25 }), weights: rtn({ bits: 4, groupSize: 64 }) },
  wanda: { sparsity: wanda({ pattern: "6:8" }), weights: fp8() },
  sparseGpt: { sparsity: sparseGpt({ sparsity: 0.25, bits: 4 }) },
  llmInt8: { linears: llmInt8({ threshold: 6 }) },
  svdQuant: { linears: svdQuant({ rank: 16, iterations: 1, smooth: "none", weights: nvfp4() }) },
};
const transforms: Record<string, Scheme> = {
  none: {},
  smoothQuant: { transforms: [smoothQuant({ alpha: 0.5 })] },
  quarot: { transforms: [quarot()] },
};
const activations: Record<string, Scheme> = {
  none: {},
  token8: { activations: token8 },
  quik4: { activations: quik({ kept: 16 }) },
  mxfp8: { activations: mx({ element: "e4m3" }) },
  attention8: { activations: token8, query: token8, key: token8, scores: token8 },
};
const caches: Record<string, Scheme> = {
  none: {},
  kivi: { kv: kivi({ bits: 4 }) },
  kvquant: { kv: kvquant({ bits: 4 }) },
};

const calibration = (await oracleWindows("calib")).slice(0, 2).map((ids) => ids.slice(0, 136));
const windows = (await oracleWindows("test")).slice(0, 1).map((ids) => ids.slice(0, 136));

function* combinations(): Generator<[name: string, scheme: Scheme]> {
  for (const [w, weight] of Object.entries(weights)) {
    for (const [t, transform] of Object.entries(transforms)) {
      for (const [a, activation] of Object.entries(activations)) {
        for (const [c, cache] of Object.entries(caches)) {
          // A method that owns the product quantizes its own inputs.
          if (weight.linears !== undefined && a !== "none") continue;
          // Pairs of each part with each other, not the whole product.
          if ([t, a, c].filter((part) => part !== "none").length > 1) continue;
          yield [[w, t, a, c].filter((part) => part !== "none").join(" + "), {
            ...weight,
            ...transform,
            ...activation,
            ...cache,
          }];
        }
      }
    }
  }
  for (const [t, transform] of Object.entries(transforms)) {
    for (const [a, activation] of Object.entries(activations)) {
      for (const [c, cache] of Object.entries(caches)) {
        yield [[t, a, c].join(" + "), { ...transform, ...activation, ...cache }];
      }
    }
  }
}

/** The fixture's first layer as a model of its own: searches and calibrations take a quarter of the time. */
async function firstLayer(directory: string): Promise<void> {
  const source = pathOf(new URL("../../fixtures/models/llama/", import.meta.url));
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) {
    await Deno.copyFile(source + file, `${directory}/${file}`);
  }
  const config = JSON.parse(await Deno.readTextFile(`${source}config.json`));
  await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify({ ...config, num_hidden_layers: 1 }));
  const tensors = await readSafetensors(`${source}model.safetensors`);
  const kept = new Map([...tensors].filter(([name]) => !/layers\.[1-9]/.test(name)));
  await writeSafetensors(`${directory}/model.safetensors`, kept);
}

/** Runs every `every`th pair, from the first one on. */
export async function checkPairs(every: number): Promise<void> {
  const directory = await Deno.makeTempDir();
  await firstLayer(directory);
  using model = await loadModel(directory);
  const float = await perplexity(model, windows);
  let count = 0;
  for (const [i, [name, scheme]] of [...combinations()].entries()) {
    if (i % every !== 0) continue;
    assertEquals(parseScheme(JSON.parse(JSON.stringify(scheme))), parseScheme(scheme), name);
    using quantized = await quantize(model, scheme, { calibration });
    const { value } = await perplexity(quantized, windows);
    // Nothing here is below 3 bits: a combination that loses half a nat is broken, not coarse.
    assertLess(Math.abs(Math.log(value / float.value)), 0.5, `${name}: ${value}, float ${float.value}`);
    count++;
  }
  await Deno.remove(directory, { recursive: true });
  assert(count >= 60 / every, `only ${count} combinations`);
}
