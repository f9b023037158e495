import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLess,
  assertRejects,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import { AdamW } from "../gradients/adamw.ts";
import { readBlock } from "../gradients/block.ts";
import { distill, distillModel, type DistillOptions } from "./distill.ts";
import { distillLayer } from "./distill/layer.ts";
import { layerInputs } from "../calibration/layer_inputs.ts";
import { quantize } from "../quantize.ts";
import { parseScheme } from "../scheme.ts";
import { SchemeError } from "../error.ts";
import { zeroQuant } from "./zeroquant.ts";

const weights = zeroQuant({ bits: 4 });
const windows = [0, 1, 2, 3].map((w) =>
  Int32Array.from({ length: 24 }, (_, i) => (i * 53 + w * 977 + 5) % 2000)
);
const ids = windows[0];

async function trained(model: Model, layer: number, options: Omit<DistillOptions, "weights">) {
  const inputs = await layerInputs(model, windows);
  return await distillLayer(model, layer, inputs[layer], distill({ weights, batch: 2, ...options }));
}

Deno.test("AdamW: the first step has the size of the learning rate, whatever the gradient", () => {
  fc.assert(fc.property(
    fc.array(fc.float({ min: -2, max: 2, noNaN: true }).filter((x) => Math.abs(x) > 0.1), {
      minLength: 1,
      maxLength: 20,
    }),
    (list) => {
      const w = new Float32Array(list.length), gradient = Float32Array.from(list);
      new AdamW(new Map([["w", w]]), { learningRate: 0.01, weightDecay: 0, betas: [0.9, 0.999], eps: 1e-6 })
        .step(new Map([["w", gradient]]));
      // eps stands beside the root of (1 - beta2) g^2: at most 1e-6 / (0.0316 * 0.1) of it.
      for (const [i, x] of w.entries()) assertAlmostEquals(x, -0.01 * Math.sign(list[i]), 0.01 * 4e-4);
    },
  ));
});

Deno.test("AdamW: three steps by hand, with decay of weights and none of biases", () => {
  const options = { learningRate: 0.1, weightDecay: 0.5, betas: [0.9, 0.999], eps: 1e-6 } as const;
  const parameters = new Map([["w", Float32Array.of(2)], ["w.bias", Float32Array.of(2)], [
    "still",
    Float32Array.of(3),
  ]]);
  const optimizer = new AdamW(parameters, options);
  let w = 2, bias = 2, m = 0, v = 0;
  for (const [t, g] of [0.3, -1, 0.5].entries()) {
    optimizer.step(new Map([["w", Float32Array.of(g)], ["w.bias", Float32Array.of(g)]]));
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    const move = 0.1 * (m / (1 - 0.9 ** (t + 1))) /
      (Math.sqrt(v / (1 - 0.999 ** (t + 1))) + 1e-6 / Math.sqrt(1 - 0.999 ** (t + 1)));
    w = (w - move) * (1 - 0.05);
    bias -= move;
  }
  assertAlmostEquals(parameters.get("w")?.[0] ?? NaN, w, 1e-6);
  assertAlmostEquals(parameters.get("w.bias")?.[0] ?? NaN, bias, 1e-6);
  assertEquals(parameters.get("still"), Float32Array.of(3));
});

Deno.test("training lowers the error of the quantized layer, for weights and with quantized activations", async () => {
  using model = await loadModel("fixture:llama");
  for (const options of [{}, { activations: zeroQuant({ bits: 8 }) }, { attention: "all" }] as const) {
    const { losses } = await trained(model, 3, { steps: 24, learningRate: 3e-4, ...options });
    const mean = (from: number) => losses.slice(from, from + 4).reduce((sum, x) => sum + x, 0) / 4;
    assertLess(mean(20), 0.9 * mean(0), `${JSON.stringify(options)}: ${losses}`);
  }
});

Deno.test("8-bit Adam trains a layer as far as Adam does", async () => {
  using model = await loadModel("fixture:llama");
  const last = async (optimizer?: "adam8bit") => {
    const { losses } = await trained(model, 3, { steps: 16, learningRate: 3e-4, optimizer });
    return { first: losses[0], mean: losses.slice(12).reduce((sum, x) => sum + x, 0) / 4 };
  };
  const full = await last(), eight = await last("adam8bit");
  assertEquals(eight.first, full.first);
  assertLess(Math.abs(eight.mean / full.mean - 1), 0.02, `${eight.mean}, ${full.mean}`);
});

Deno.test("opt is trained with its biases", async () => {
  using model = await loadModel("fixture:opt");
  const before = await readBlock(model, 1);
  const { losses, parameters } = await trained(model, 1, { steps: 24, learningRate: 3e-4 });
  assertLess(losses[23], losses[1]);
  for (const [name, values] of before) {
    assert(parameters.get(name)?.some((x, i) => x !== values[i]), `${name} has not moved`);
  }
});

Deno.test("no steps, or steps of no length, leave the layer as it is", async () => {
  using model = await loadModel("fixture:llama");
  const before = await readBlock(model, 3);
  for (const options of [{ steps: 0 }, { steps: 2, learningRate: 0 }]) {
    const { parameters } = await trained(model, 3, options);
    for (const [name, values] of before) assertEquals(parameters.get(name), values, name);
  }
});

Deno.test("only the named layers change, the argument stays, and quantizing is left to the scheme", async () => {
  using model = await loadModel("fixture:llama");
  const expected = await model.logits(ids);
  const scheme = distill({ weights, layers: [1], steps: 2, learningRate: 1e-3, batch: 2 });
  const { model: changed, losses } = await distillModel(model, scheme, windows);
  using _ = changed;
  assertEquals([...losses.keys()], [1]);
  for (let layer = 0; layer < 4; layer++) {
    const [old, fresh] = [await readBlock(model, layer), await readBlock(changed, layer)];
    for (const [name, values] of old) {
      assertEquals(fresh.get(name)?.every((x, i) => x === values[i]), layer !== 1, `layer ${layer} ${name}`);
    }
  }
  assertEquals(await model.logits(ids), expected);
  const parsed = parseScheme(JSON.parse(JSON.stringify({ transforms: [scheme], weights })));
  using whole = await quantize(model, parsed, { calibration: windows });
  using stepwise = await quantize(changed, { weights });
  assertEquals(await whole.logits(ids), await stepwise.logits(ids));
});

Deno.test("with 8 bits there is little to learn: the loss is far below that of 4", async () => {
  using model = await loadModel("fixture:llama");
  const inputs = await layerInputs(model, windows);
  const first = async (bits: number) =>
    (await distillLayer(model, 3, inputs[3], distill({ weights: zeroQuant({ bits }), steps: 1, batch: 4 })))
      .losses[0];
  assertLess(await first(8), await first(4) / 50);
});

Deno.test("wrong options are refused by name, value and what is accepted", async () => {
  for (
    const options of [
      { weights: undefined },
      { weights, steps: -1 },
      { weights, learningRate: NaN },
      { weights, batch: 0 },
      { weights, layers: "first" },
      { weights, layers: [-1] },
      { weights, attention: "full" },
      { weights, activations: { method: "rtn" } },
      { weights, momentum: 1 },
    ]
  ) {
    const error = assertThrows(() => distill(options as unknown as DistillOptions), SchemeError);
    assert(error.message.includes("expected"), error.message);
  }
  using model = await loadModel("fixture:llama");
  const run = (options: DistillOptions, calibration = windows) =>
    quantize(model, { transforms: [distill(options)], weights }, { calibration });
  await assertRejects(() => run({ weights, layers: [4] }), SchemeError, "expected 0 to 3");
  await assertRejects(() => run({ weights, batch: 5 }), SchemeError, "expected at least 5");
  await assertRejects(() => run({ weights }, []), SchemeError, "calibration");
});
