/** Mixtures of experts: each expert's weights are quantized on the tokens that the router sends to it. */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { pathOf } from "../base/file.ts";
import { hasExperts, layerLinears } from "../model/architecture.ts";
import { loadModel } from "../model/load.ts";
import type { Model } from "../model/model.ts";
import { awq } from "./methods/awq.ts";
import { bcq } from "./methods/bcq.ts";
import { gptq } from "./methods/gptq.ts";
import { quantizeLayerwise } from "./calibration/layerwise.ts";
import { llmInt8 } from "./methods/llmint8.ts";
import type { InputStatistics } from "./method.ts";
import { qqq } from "./methods/qqq.ts";
import { quantize } from "./quantize.ts";
import { weightStorage } from "./weights/linear.ts";
import { quantizeRows, rtn } from "./methods/rtn.ts";
import type { Scheme } from "./scheme.ts";
import { SchemeError } from "./error.ts";
import { smoothQuant } from "./methods/smoothquant.ts";
import { spqr } from "./methods/spqr.ts";

const folder = pathOf(new URL("../fixtures/families/", import.meta.url));
const families = ["mixtral", "qwen3_moe"];
const ids = Int32Array.from({ length: 96 }, (_, i) => (i * 37 + 5 + (i >> 3)) % 160);

/**
 * The largest difference of a token's logits, of the median token: one that stands between two experts may change them,
 * which is no small error.
 */
function distance(found: Float32Array, expected: Float32Array): number {
  const width = found.length / ids.length;
  const rows = Array.from(ids, (_, token) => {
    const row = found.subarray(token * width, (token + 1) * width);
    return row.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[token * width + i])), 0);
  });
  return rows.sort((a, b) => a - b)[rows.length >> 1];
}

for (const dir of families) {
  Deno.test(`${dir}: round to nearest reaches every expert, on its own grid`, async () => {
    using model = await loadModel(folder + dir);
    const { architecture } = model, scheme = rtn({ bits: 4, groupSize: 8 });
    using quantized = await quantize(model, { weights: scheme });
    let weights = 0;
    for (let layer = 0; layer < architecture.layers; layer++) {
      for (const { role, expert } of layerLinears(architecture, layer)) {
        const { shape: [rows, columns], values } = model.linear(layer, role, expert);
        const expected = quantizeRows({ rows, columns, data: await values() }, scheme).dequantize();
        assertEquals(await quantized.linear(layer, role, expert).values(), expected);
        weights += rows * columns;
      }
    }
    const storage = weightStorage(quantized);
    assertEquals(storage.weights, weights);
    // Per group of 8 a float32 scale and a 4-bit zero point.
    assertEquals(storage.bitsPerWeight, 4 + (32 + 4) / 8);
    const expected = await model.logits(ids);
    using eight = await quantize(model, { weights: rtn({ bits: 8 }) });
    using packed = await quantize(model, { weights: rtn({ bits: 8 }) }, { execution: "packed" });
    const logits = await eight.logits(ids);
    assertEquals(await packed.logits(ids), logits);
    const [fine, coarse] = [distance(logits, expected), distance(await quantized.logits(ids), expected)];
    assert(fine > 0 && fine < coarse / 4, `8 bits ${fine}, 4 bits ${coarse}`);
  });

  Deno.test(`${dir}: an expert's statistics are those of the tokens that the router sends it`, async () => {
    using model = await loadModel(folder + dir);
    const { architecture, device } = model, { experts, hiddenSize } = architecture;
    if (experts === undefined) throw new Error("a mixture");
    const layer = Array.from({ length: architecture.layers }, (_, i) => i).find((i) =>
      hasExperts(architecture, i)
    );
    if (layer === undefined) throw new Error("a layer with experts");
    let inputs = new Float32Array();
    await model.forEachLogits([ids], () => {}, [{
      async input(x, at) {
        if (at.site === "mlp" && at.layer === layer) inputs = Float32Array.from(await device.read(x));
      },
    }]);
    const router = await model.checkpoint.tensor(experts.router.replace("{layer}", String(layer)));
    // The tokens of each expert, by scores of a float64 product.
    const tokens = Array.from({ length: experts.count }, (): number[] => []);
    for (let token = 0; token < ids.length; token++) {
      const scores = tokens.map((_, expert) => {
        let sum = 0;
        for (let i = 0; i < hiddenSize; i++) {
          sum += router[expert * hiddenSize + i] * inputs[token * hiddenSize + i];
        }
        return sum;
      });
      const order = scores.map((_, expert) => expert).sort((a, b) => scores[b] - scores[a]);
      for (const expert of order.slice(0, experts.perToken)) tokens[expert].push(token);
    }
    const found = new Map<string, InputStatistics>();
    const parameters = await quantizeLayerwise(model, [ids], {
      needed: () => true,
      sequential: () => false,
      quantize(at, { role, expert }, input) {
        assert(input !== null);
        if (at === layer && expert !== undefined) found.set(`${role} ${expert}`, input);
        return Promise.resolve(model.linear(at, role, expert).retain());
      },
    });
    for (const one of parameters.values()) one.release();
    assertEquals(found.size, 3 * experts.count);
    for (const [expert, own] of tokens.entries()) {
      const { gram, tokens: count } = found.get(`gate ${expert}`) ?? { gram: new Float64Array(), tokens: -1 };
      assertEquals([count, found.get(`down ${expert}`)?.tokens], [own.length, own.length]);
      const expected = new Float64Array(hiddenSize ** 2);
      for (const token of own) {
        const row = inputs.subarray(token * hiddenSize, (token + 1) * hiddenSize);
        for (let i = 0; i < hiddenSize; i++) {
          for (let j = 0; j < hiddenSize; j++) expected[i * hiddenSize + j] += row[i] * row[j];
        }
      }
      // Sums of n float32 products are off by at most n 2^-24 times the sum of their magnitudes, a diagonal entry at most.
      const bound = own.length * 2 ** -24 * expected.reduce((a, b) => Math.max(a, b), 0);
      for (const [i, value] of gram.entries()) assertLess(Math.abs(value - expected[i]), bound);
    }
  });

  Deno.test(`${dir}: calibrating methods take experts, those that rewrite blocks are refused`, async () => {
    using model = await loadModel(folder + dir);
    const calibration = Array.from({ length: 4 }, (_, w) => ids.map((id) => (id * (w + 1) + w) % 160));
    const expected = await model.logits(ids);
    const schemes: Scheme[] = [
      { weights: gptq({ bits: 8 }) },
      { weights: gptq({ bits: 8, groupSize: 8, actOrder: true, trueSequential: true }) },
      { weights: spqr({ bits: 8, groupSize: 8, statisticsGroupSize: 8 }) },
      { weights: bcq({ bits: 8, groupSize: 8 }) },
      { weights: rtn({ bits: 8 }), activations: rtn({ bits: 8, granularity: "token" }) },
    ];
    for (const scheme of schemes) {
      using quantized = await quantize(model, scheme, { calibration });
      // As for dense families: 8 bits keep the logits, whose deviation is 2.
      assertLess(distance(await quantized.logits(ids), expected), 0.5, JSON.stringify(scheme));
    }
    const refused: Scheme[] = [
      { weights: awq({ bits: 4, groupSize: 8 }) },
      { weights: qqq({ groupSize: 8 }) },
      { transforms: [smoothQuant({ alpha: 0.5 })] },
      { linears: llmInt8() },
    ];
    for (const scheme of refused) {
      const error = await assertRejects(
        () => quantize(model, scheme, { calibration }),
        SchemeError,
        "experts",
      );
      assertEquals(error.code, "combination");
    }
    await starved(model);
  });
}

/** One token goes through some of the experts only: the others cannot be calibrated, and are not guessed. */
async function starved(model: Model): Promise<void> {
  const calibration = [ids.slice(0, 1)];
  const error = await assertRejects(
    () => quantize(model, { weights: gptq({ bits: 4 }) }, { calibration }),
    SchemeError,
    "no calibration token",
  );
  assertEquals(error.code, "calibration");
}

Deno.test("mixtures of experts: activations and keys are quantized", async () => {
  for (const dir of families) {
    using model = await loadModel(folder + dir);
    const eight = rtn({ bits: 8, granularity: "token" });
    using quantized = await quantize(model, { activations: eight, key: eight });
    assertLess(distance(await quantized.logits(ids), await model.logits(ids)), 1);
  }
});
