/** A quantization that is ended anywhere and called again ends with the same bits, and does what was finished once. */
import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { layerLinears } from "../../model/architecture.ts";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import { namesIn, statOf } from "../../base/file.ts";
import { abq } from "../methods/abq.ts";
import { affine } from "../methods/affine.ts";
import { awq } from "../methods/awq.ts";
import { bcq } from "../methods/bcq.ts";
import { crossQuant } from "../methods/crossquant.ts";
import { dgq } from "../methods/dgq.ts";
import { distill } from "../methods/distill.ts";
import { fptq } from "../methods/fptq.ts";
import { gptaq } from "../methods/gptaq.ts";
import { gptq } from "../methods/gptq.ts";
import { hqq } from "../methods/hqq.ts";
import { kvquant } from "../methods/kvquant.ts";
import { llmFp4 } from "../methods/llmfp4.ts";
import { nvfp4 } from "../methods/nvfp4.ts";
import { qqq } from "../methods/qqq.ts";
import { qrazor } from "../methods/qrazor.ts";
import { quarot } from "../methods/quarot.ts";
import { quik } from "../methods/quik.ts";
import { rtn } from "../methods/rtn.ts";
import { smoothQuant } from "../methods/smoothquant.ts";
import { sparseGpt } from "../methods/sparsegpt.ts";
import { omniquant } from "../methods/omniquant.ts";
import { spinquant } from "../methods/spinquant.ts";
import { slimLlm } from "../methods/slimllm.ts";
import { obq } from "../methods/obq.ts";
import { obs } from "../methods/obs.ts";
import { spqr } from "../methods/spqr.ts";
import { svdQuant } from "../methods/svdquant.ts";
import { zeroQuant } from "../methods/zeroquant.ts";
import { catalogue, type CatalogueEntry } from "../notation/catalogue.ts";
import { quantize } from "../quantize.ts";
import { Finished } from "../resumption/finished.ts";
import { parseScheme, type Scheme } from "../scheme.ts";
import { resumeLimit } from "./resume.ts";

const calibration = [1, 2].map((w) => Int32Array.from({ length: 32 }, (_, i) => 1 + (37 * i * w + i) % 500));
const written: Readonly<Record<string, Scheme>> = {
  gptq: { weights: gptq({ bits: 3, groupSize: 32, actOrder: true, trueSequential: true }) },
  "gptq and ends": { weights: gptq({ bits: 4 }), head: gptq({ bits: 8 }), embedding: rtn({ bits: 8 }) },
  spqr: { weights: spqr({ bits: 3 }) },
  qrazor: {
    weights: qrazor({ bits: 4, compensation: { actOrder: false, trueSequential: false, percdamp: 0.01 } }),
  },
  "blocks of floats": { weights: gptq({ grid: nvfp4() }) },
  awq: { weights: awq({ bits: 3, groupSize: 32, ratios: 3 }) },
  qqq: { weights: qqq({ thresholds: 3 }) },
  "qqq in groups": { weights: qqq({ thresholds: 3, groupSize: 32 }) },
  quik: { weights: quik({ bits: 4, kept: 8 }), activations: quik({ bits: 4, kept: 8 }) },
  "sparsity, then rtn": { sparsity: sparseGpt({ pattern: "2:4" }), weights: rtn({ bits: 4 }) },
  llmFp4: { linears: llmFp4({ rounds: 1, steps: 2, tokens: 8 }) },
  obq: { overrides: [{ layers: [0], linears: ["k"], weights: obq({ bits: 4, percdamp: 0.01 }) }] },
  obs: { overrides: [{ layers: [0], linears: ["k"], sparsity: obs({ pattern: "2:4", percdamp: 0.01 }) }] },
  slimLlm: { overrides: [{ layers: [0, 1], linears: ["k"], weights: slimLlm({ bits: 3, groupSize: 64 }) }] },
  svdQuant: {
    linears: svdQuant({
      rank: 2,
      iterations: 1,
      smooth: { alpha: 0.5, beta: 0.5 },
      weights: gptq({ bits: 4 }),
      activations: null,
    }),
  },
  gptaq: { weights: gptaq({ bits: 4 }) },
  dgq: { weights: dgq({ scales: "float" }), activations: dgq() },
  smoothQuant: {
    transforms: [smoothQuant({ alpha: 0.5 })],
    weights: rtn({ bits: 8 }),
    activations: rtn({ bits: 8, granularity: "token" }),
  },
  fptq: {
    transforms: [fptq({ low: 1, high: 20 })],
    weights: rtn({ bits: 4, groupSize: 32 }),
    activations: fptq(),
  },
  crossQuant: {
    weights: crossQuant({ bits: 4 }),
    activations: crossQuant({ bits: 8, columns: "calibration" }),
  },
  nvfp4: { weights: nvfp4(), activations: nvfp4({ tensorScale: "calibrated" }) },
  abq: { weights: abq({ bits: 2, groupSize: 64, epochs: 0 }) },
  affine: { weights: affine({ bits: 3, equivalent: false, epochs: 2 }) },
  omniquant: { weights: omniquant({ bits: 3, equivalent: true, epochs: 1, batch: 2 }) },
  spinquant: { transforms: [spinquant({ steps: 3, batch: 1 })], weights: rtn({ bits: 4 }) },
  distill: {
    transforms: [distill({ weights: zeroQuant({ bits: 4, groups: 2 }), layers: "all", steps: 2, batch: 2 })],
    weights: zeroQuant({ bits: 4, groups: 2 }),
  },
  kvquant: { kv: kvquant({ bits: 3, samples: 2 }) },
  "kvquant without gradients": { kv: kvquant({ bits: 3, samples: 2, weighting: "none" }) },
  "no calibration": { transforms: [quarot()], weights: hqq({ bits: 4, groupSize: 32 }) },
  "binary codes": { weights: bcq({ bits: 2, groupSize: 32, rounds: 2 }) },
};

/** A scheme of a method that has none above: its defaults, and 4 where an integer must be given. */
function plainest({ name, fills, options }: CatalogueEntry): Scheme {
  const given = options.filter(({ required }) => required).map((one) => [one.name, 4]);
  const part = { method: name, ...Object.fromEntries(given) };
  return parseScheme(fills[0] === "transforms" ? { transforms: [part] } : { [fills[0]]: part });
}

const others = catalogue().filter(({ name, calibrates }) =>
  calibrates && !JSON.stringify(written).includes(`"method":"${name}"`)
);
const schemes = { ...written, ...Object.fromEntries(others.map((one) => [one.name, plainest(one)])) };

/** All that a model computes with: weights, what they are stored as, and the logits, which go through operands and the cache. */
async function bitsOf(model: Model): Promise<unknown[]> {
  const found: unknown[] = [await model.hash(), await model.logits(calibration[0])];
  for (let layer = 0; layer < model.architecture.layers; layer++) {
    for (const { role } of layerLinears(model.architecture, layer)) {
      const { values, stored } = model.linear(layer, role);
      found.push(await values(), stored?.byteLength, stored?.pack?.());
    }
  }
  return found;
}

/** What a call does that is ended at the end. */
class Ended extends Error {}

/** Ends the process at the n-th record: just before it is written, or just after. */
async function endedAt(record: number, before: boolean, run: () => Promise<Model>): Promise<Model | null> {
  const { write } = Finished.prototype;
  let count = 0;
  Finished.prototype.write = async function (name, value) {
    const last = ++count === record;
    if (last && before) throw new Ended();
    await write.call(this, name, value);
    if (last) throw new Ended();
  };
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
    return null;
  } finally {
    Finished.prototype.write = write;
  }
}

for (const [name, scheme] of Object.entries(schemes)) {
  Deno.test(`${name}: ended at records again and again, it ends with the same bits`, async () => {
    const resume = await Deno.makeTempDir();
    try {
      using model = await loadModel("fixture:llama");
      using plain = await quantize(model, scheme, { calibration });
      const expected = await bitsOf(plain);
      let ends = 0;
      const again = () => quantize(model, scheme, { calibration, resume });
      for (;;) {
        // The third record of each call, so that a call brings two at least; before and after it in turns.
        const made = await endedAt(3, ends % 2 === 0, again);
        if (made === null) {
          ends++;
          continue;
        }
        using quantized = made;
        assertEquals(await bitsOf(quantized), expected);
        break;
      }
      assert(ends >= 1, `${ends} ends`);
      const [folder] = await namesIn(resume), limit = resumeLimit(model, scheme, calibration);
      let bytes = 0;
      for (const file of await namesIn(`${resume}/${folder}`)) {
        bytes += (await statOf(`${resume}/${folder}/${file}`))?.size ?? 0;
      }
      assertLessOrEqual(bytes, limit);
    } finally {
      await Deno.remove(resume, { recursive: true });
    }
  });
}

Deno.test("what is done is not done again: each layer once, the one that was worked on twice", async () => {
  const resume = await Deno.makeTempDir();
  try {
    using model = await loadModel("fixture:llama");
    const worked = new Map<string, number>(), { layers } = model.architecture;
    let calls = 0;
    for (;;) {
      let steps = 0;
      const onProgress = (message: string) => {
        if (message.startsWith("kept ")) return;
        worked.set(message, (worked.get(message) ?? 0) + 1);
        // In the middle of a layer, and later in it each time.
        if (++steps === 8 + calls % 5) throw new Ended();
      };
      calls++;
      try {
        const options = { calibration, resume, onProgress };
        using _ = await quantize(model, { weights: gptq({ bits: 4 }) }, options);
        break;
      } catch (error) {
        if (!(error instanceof Ended)) throw error;
      }
    }
    assertEquals(calls, layers);
    assertEquals(worked.size, 7 * layers);
    assertLessOrEqual(Math.max(...worked.values()), 2);
    const twice = new Set(
      [...worked].filter(([, count]) => count > 1).map(([name]) => name.match(/\d+/)?.[0]),
    );
    assertLessOrEqual(twice.size, calls - 1);
  } finally {
    await Deno.remove(resume, { recursive: true });
  }
});

Deno.test("another scheme, text or model starts afresh; a file that is not whole is made again", async () => {
  const resume = await Deno.makeTempDir();
  try {
    using model = await loadModel("fixture:llama");
    const scheme = { weights: gptq({ bits: 4 }) };
    using first = await quantize(model, scheme, { calibration, resume });
    using _other = await quantize(model, { weights: gptq({ bits: 3 }) }, { calibration, resume });
    using _text = await quantize(model, scheme, { calibration: calibration.slice(1), resume });
    const folders = await namesIn(resume);
    assertEquals(folders.length, 3);
    for (const folder of folders) {
      for (const file of await namesIn(`${resume}/${folder}`)) {
        const path = `${resume}/${folder}/${file}`, bytes = await Deno.readFile(path);
        bytes[bytes.length - 9] ^= 1;
        await Deno.writeFile(path, bytes);
      }
    }
    using again = await quantize(model, scheme, { calibration, resume });
    assertEquals(await bitsOf(again), await bitsOf(first));
  } finally {
    await Deno.remove(resume, { recursive: true });
  }
});

Deno.test("a directory that is a file, and more than was said, are told", async () => {
  const directory = await Deno.makeTempDir(), file = `${directory}/file`;
  try {
    await Deno.writeTextFile(file, "");
    using model = await loadModel("fixture:llama");
    const scheme = { weights: rtn({ bits: 4 }) };
    await assertRejects(() => quantize(model, scheme, { resume: file }), Error, file);
    const small = await Finished.open(directory, "0".repeat(32), 100);
    await assertRejects(() => small.write("a", new Float32Array(100)), Error, "expected at most 100");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
