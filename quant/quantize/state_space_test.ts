/** Methods that take one linear layer at a time work on a state-space model unchanged; others are refused by name. */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { loadModel } from "../../model/load.ts";
import { crossQuant } from "../methods/crossquant.ts";
import { gptq } from "../methods/gptq.ts";
import { kivi } from "../methods/kivi.ts";
import { llmInt8 } from "../methods/llmint8.ts";
import { nvfp4 } from "../methods/nvfp4.ts";
import { quarot } from "../methods/quarot.ts";
import { qqq } from "../methods/qqq.ts";
import { rtn } from "../methods/rtn.ts";
import { smoothQuant } from "../methods/smoothquant.ts";
import { SchemeError } from "../error.ts";
import { quantize } from "../quantize.ts";
import type { Scheme } from "../scheme.ts";

const ids = Int32Array.from({ length: 96 }, (_, i) => (i * 37 + 5) % 2048);
const calibration = [ids];

/** Mean squared difference of the logits, in units of their variance. */
function distance(found: Float32Array, expected: Float32Array): number {
  const energy = expected.reduce((sum, x) => sum + x * x, 0);
  return found.reduce((sum, x, i) => sum + (x - expected[i]) ** 2, 0) / energy;
}

Deno.test("smoothing alone keeps a Mamba model's function, and moves the outliers out of what the mixers read", async () => {
  using model = await loadModel("fixture:mamba-outlier");
  using smoothed = await quantize(model, { transforms: [smoothQuant({ alpha: 0.5 })] }, { calibration });
  assertLess(distance(await smoothed.logits(ids), await model.logits(ids)), 1e-9);
  const scheme: Scheme = {
    weights: rtn({ bits: 8, granularity: "channel" }),
    activations: rtn({ bits: 8, granularity: "tensor" }),
  };
  using plain = await quantize(model, scheme);
  using both = await quantize(model, { transforms: [smoothQuant({ alpha: 0.5 })], ...scheme }, {
    calibration,
  });
  const expected = await model.logits(ids);
  assertLess(distance(await both.logits(ids), expected), 0.5 * distance(await plain.logits(ids), expected));
});

Deno.test("weights by one linear layer at a time: GPTQ beats rounding, packed equals simulated, every layer is reached", async () => {
  using model = await loadModel("fixture:mamba");
  const expected = await model.logits(ids), errors: number[] = [];
  for (const weights of [rtn({ bits: 3, groupSize: 16 }), gptq({ bits: 3, groupSize: 16 }), nvfp4()]) {
    using simulated = await quantize(model, { weights }, { calibration });
    using packed = await quantize(model, { weights }, { calibration, execution: "packed" });
    const logits = await simulated.logits(ids);
    assertLess(distance(await packed.logits(ids), logits), 1e-8);
    errors.push(distance(logits, expected));
    for (const role of ["in", "x", "dt", "out"] as const) {
      const [before, after] = [model, simulated].map((one) => one.linear(3, role).values());
      assert((await before).some((value, i) => value !== 0 && i < 64), role);
      assert(distance(await after, await before) > 1e-6, role);
    }
  }
  assertLess(errors[1], errors[0]);
});

Deno.test("LLM.int8(), CrossQuant, and overrides of one role run", async () => {
  using model = await loadModel("fixture:mamba");
  const expected = await model.logits(ids);
  const schemes: Scheme[] = [
    { linears: llmInt8() },
    { weights: rtn({ bits: 8 }), activations: crossQuant({ bits: 8 }) },
    { weights: rtn({ bits: 8 }), overrides: [{ linears: ["x", "dt"], weights: "float" }] },
  ];
  for (const scheme of schemes) {
    using quantized = await quantize(model, scheme, { calibration });
    const error = distance(await quantized.logits(ids), expected);
    assert(error > 0 && error < 1e-2, `${JSON.stringify(scheme)}: ${error}`);
  }
});

Deno.test("what looks at attention, or at whole blocks of a transformer, is refused by name", async () => {
  using model = await loadModel("fixture:mamba");
  const refused: [Scheme, string][] = [
    [{ transforms: [quarot()] }, "quarot cannot be applied to a state-space model (mamba)"],
    [{ weights: qqq() }, "qqq cannot be applied"],
    [{ kv: kivi({ bits: 2 }) }, "kv cannot be applied"],
    [{ key: rtn({ bits: 8 }) }, "key cannot be applied"],
    [{ weights: rtn({ bits: 4, groupSize: 32 }) }, "groupSize 32 does not divide 16 input features"],
    [
      { weights: rtn({ bits: 8 }), overrides: [{ linears: ["q"], weights: "float" }] },
      "overrides[0] names q",
    ],
  ];
  for (const [scheme, message] of refused) {
    const error = await assertRejects(() => quantize(model, scheme, { calibration }), SchemeError, message);
    assertEquals(error.name, "SchemeError");
  }
});
