/** Schemes per layer: each layer is as the scheme of that layer alone would make it, and what cannot be is refused. */
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import { awq } from "../methods/awq.ts";
import { gptq } from "../methods/gptq.ts";
import { llmInt8 } from "../methods/llmint8.ts";
import { rtn, rtnMethod } from "../methods/rtn.ts";
import { quantize } from "../quantize.ts";
import { describeScheme, type Override, parseScheme, type Scheme } from "../scheme.ts";
import { storedWeight } from "../weights/linear.ts";

const ids = Int32Array.from({ length: 48 }, (_, i) => (i * 37 + 11) % 500);
const calibration = [ids, ids.map((id) => id + 200)];

async function sameWeight(a: Model, b: Model, layer: number, role: "q" | "down" | "up"): Promise<boolean> {
  const [x, y] = await Promise.all([a.linear(layer, role).values(), b.linear(layer, role).values()]);
  return x.every((value, i) => Object.is(value, y[i]));
}

Deno.test("weights of each layer are those of its own scheme; later overrides count", async () => {
  using model = await loadModel("fixture:llama");
  const w3 = rtn({ bits: 3 }), w4 = rtn({ bits: 4 }), w8 = rtn({ bits: 8 });
  using mixed = await quantize(model, {
    weights: w4,
    overrides: [{ layers: [1, 2], weights: w3 }, { linears: ["down"], weights: w8 }, {
      layers: [2],
      weights: "float",
    }],
  });
  using all3 = await quantize(model, { weights: w3 });
  using all4 = await quantize(model, { weights: w4 });
  using all8 = await quantize(model, { weights: w8 });
  const expected: [number, "q" | "down", Model][] = [
    [0, "q", all4],
    [0, "down", all8],
    [1, "q", all3],
    [1, "down", all8],
    [2, "q", model],
    [2, "down", model],
    [3, "down", all8],
  ];
  for (const [layer, role, like] of expected) {
    assert(await sameWeight(mixed, like, layer, role), `${layer} ${role}`);
    if (like !== all4) assert(!await sameWeight(mixed, all4, layer, role), `${layer} ${role}`);
  }
  assertEquals(storedWeight(mixed, 2, "q"), undefined);
});

Deno.test("packed and simulated execution of a mixed scheme give the same bits", async () => {
  using model = await loadModel("fixture:llama");
  const scheme: Scheme = {
    weights: rtn({ bits: 4, groupSize: 32 }),
    overrides: [{ layers: [0], weights: rtn({ bits: 8 }) }, { linears: ["down"], weights: "float" }],
    head: rtn({ bits: 8 }),
  };
  using simulated = await quantize(model, scheme);
  using packed = await quantize(model, scheme, { execution: "packed" });
  assertEquals(await packed.logits(ids), await simulated.logits(ids));
});

Deno.test("an override for every layer and none for the rest is the plain scheme, compensated ones included", async () => {
  using model = await loadModel("fixture:llama");
  for (const weights of [rtn({ bits: 3 }), gptq({ bits: 3 }), gptq({ bits: 3, trueSequential: true })]) {
    using plain = await quantize(model, { weights }, { calibration });
    using overridden = await quantize(model, { overrides: [{ weights }] }, { calibration });
    assertEquals(await overridden.logits(ids), await plain.logits(ids));
  }
});

Deno.test("a compensated layer sees what the layers before it really compute", async () => {
  using model = await loadModel("fixture:llama");
  const weights = gptq({ bits: 3 }), coarse = rtn({ bits: 2 });
  using mixed = await quantize(model, { weights, overrides: [{ layers: [0], weights: coarse }] }, {
    calibration,
  });
  using first = await quantize(model, { overrides: [{ layers: [0], weights: coarse }] });
  const later: Override[] = [{ layers: [0], weights: "float" }];
  using expected = await quantize(first, { weights, overrides: later }, { calibration });
  for (const layer of [0, 1, 3]) assert(await sameWeight(mixed, expected, layer, "up"), `layer ${layer}`);
  using plain = await quantize(model, { weights }, { calibration });
  assert(!await sameWeight(mixed, plain, 1, "up"));
});

Deno.test("activations and attention operands differ from layer to layer", async () => {
  using model = await loadModel("fixture:llama");
  const a4 = rtn({ bits: 4, granularity: "token" }), a8 = rtn({ bits: 8, granularity: "token" });
  using mixed = await quantize(model, {
    activations: a8,
    key: a8,
    overrides: [{ linears: ["down"], activations: a4 }, { layers: [1], key: "float" }],
  });
  using twin = model.with({
    interventions: [{
      input(x, { site, rows, columns }) {
        const scheme = site === "down" ? a4 : a8;
        rtnMethod.operand.apply(model.device, x, { rows, columns, heads: 1 }, scheme);
      },
      key(x, { layer, tokens, heads, headDim }) {
        if (layer === 1) return;
        rtnMethod.operand.apply(model.device, x, { rows: tokens, columns: heads * headDim, heads }, a8);
      },
    }],
    change: {},
  });
  assertEquals(await mixed.logits(ids), await twin.logits(ids));
});

Deno.test("head and embedding: weights, input, one without the other where they share a tensor", async () => {
  using model = await loadModel("fixture:llama");
  const w4 = rtn({ bits: 4 }), a6 = rtn({ bits: 6, granularity: "token" });
  const [rows, columns] = model.head.shape;
  using reference = await quantize(model, { head: { weights: w4 } });
  using short = await quantize(model, { head: w4 });
  assertEquals(await short.logits(ids), await reference.logits(ids));
  assertEquals(await reference.embedding.values(), await model.embedding.values());
  // The grid of each row, by hand in float64: no value is farther from its code than half a step.
  const dense = await model.head.values(), coded = await reference.head.values();
  for (let row = 0; row < rows; row++) {
    const own = dense.subarray(row * columns, (row + 1) * columns);
    const step = (Math.max(0, ...own) - Math.min(0, ...own)) / 15;
    for (const [j, value] of own.entries()) {
      assert(Math.abs(coded[row * columns + j] - value) <= step * 0.5001);
    }
  }
  using embedded = await quantize(model, { embedding: w4 });
  assertEquals(await embedded.embedding.values(), coded);
  assertEquals(await embedded.head.values(), dense);
  using rounded = await quantize(model, { head: { activations: a6 } });
  assertNotEquals(await rounded.logits(ids), await model.logits(ids));
  using compensated = await quantize(model, { head: gptq({ bits: 4 }) }, { calibration });
  assertNotEquals(await compensated.head.values(), coded);
});

Deno.test("a compensated head has a smaller error on its calibration inputs than a rounded one", async () => {
  using model = await loadModel("fixture:llama");
  using rounded = await quantize(model, { head: rtn({ bits: 3 }) });
  using compensated = await quantize(model, { head: gptq({ bits: 3 }) }, { calibration });
  const error = async (one: Model) => {
    let sum = 0;
    for (const window of calibration) {
      const [x, y] = [await one.logits(window), await model.logits(window)];
      for (let i = 0; i < x.length; i++) sum += (x[i] - y[i]) ** 2;
    }
    return sum;
  };
  assert(await error(compensated) < await error(rounded) * 0.8);
});

Deno.test("what does not fit is refused by name before anything runs", async () => {
  using model = await loadModel("fixture:llama");
  using opt = await loadModel("fixture:opt");
  const w4 = rtn({ bits: 4 }), a8 = rtn({ bits: 8, granularity: "token" });
  const refused = async (scheme: unknown, message: string, of: Model = model) => {
    const error = await assertRejects(() => quantize(of, scheme as Scheme, { calibration }), Error, message);
    assertEquals(error.name, "SchemeError");
  };
  await refused({ overrides: [{ layers: [0, 9], weights: w4 }] }, "overrides[0].layers has 9");
  await refused({ overrides: [{ linears: ["gate"], weights: w4 }] }, "names gate", opt);
  await refused({ overrides: [{ layers: [], weights: w4 }] }, "matches no layer");
  await refused({ overrides: [{ linears: [], weights: w4 }] }, "matches no layer");
  await refused({ overrides: [{ layers: [0] }] }, "overrides[0] changes nothing");
  await refused({ overrides: [{ layer: [0], weights: w4 }] }, 'no option "layer"');
  await refused({ overrides: { weights: w4 } }, "overrides is ");
  await refused({ overrides: [{ layers: [-1], weights: w4 }] }, "overrides[0].layers[0] is -1");
  await refused({ overrides: [{ linears: ["wq"], weights: w4 }] }, 'overrides[0].linears[0] is "wq"');
  await refused({ overrides: [{ linears: ["q"], key: a8 }] }, "key is of no linear layer");
  await refused(
    { activations: a8, overrides: [{ linears: ["q"], activations: "float" }] },
    "q, k, v of layer 0 read one input",
  );
  await refused(
    { weights: awq({ bits: 4 }), overrides: [{ layers: [0], weights: w4 }] },
    "awq rewrites several layers",
  );
  await refused(
    { weights: w4, overrides: [{ layers: [0], weights: awq({ bits: 4 }) }] },
    "awq rewrites several layers",
  );
  await refused({ head: awq({ bits: 4 }) }, "awq rewrites several layers");
  await refused({ embedding: gptq({ bits: 4 }) }, "gptq needs the inputs of a linear layer");
  await refused(
    { linears: llmInt8(), overrides: [{ layers: [0], weights: w4 }] },
    "linears owns the matrix product",
  );
  await refused(
    { overrides: [{ weights: rtn({ bits: 4, groupSize: 96 }) }] },
    "groupSize 96 does not divide",
  );
  await refused({ head: rtn({ bits: 4, groupSize: 96 }) }, "groupSize 96 does not divide");
  await refused({ head: { weight: w4 } }, 'no option "weight"');
  await refused({ weights: "float" }, "method is");
});

Deno.test("a scheme with overrides is data: parsed, described, part of the model's hash", async () => {
  const scheme: Scheme = {
    weights: rtn({ bits: 4 }),
    overrides: [{ layers: [0, 1, 2, 5], linears: ["down"], weights: rtn({ bits: 8 }) }, {
      layers: [3],
      weights: "float",
    }],
    head: { weights: rtn({ bits: 8 }) },
    embedding: rtn({ bits: 6 }),
  };
  assertEquals(parseScheme(JSON.parse(JSON.stringify(scheme))), scheme);
  assertEquals(
    describeScheme(scheme),
    "rtn W4 embedding W6 head W8; layers 0-2, 5 down: W8; layers 3: W float",
  );
  assertThrows(() => parseScheme({ overrides: [{ weights: { method: "rtn", bits: 99 } }] }), Error, "99");
  using model = await loadModel("fixture:llama");
  const w4 = rtn({ bits: 4 });
  using a = await quantize(model, { weights: w4 });
  using b = await quantize(model, { weights: w4, overrides: [{ layers: [0], weights: "float" }] });
  using c = await quantize(model, { weights: w4, overrides: [{ layers: [1], weights: "float" }] });
  assertEquals(new Set([await a.hash(), await b.hash(), await c.hash()]).size, 3);
});
