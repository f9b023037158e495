/** Operands that fix something before the model runs: once, on the rewritten float model, and by place. */
import { assertEquals, assertRejects } from "@std/assert";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import { activationMaxima } from "../calibration/activation_maxima.ts";
import type { MethodWith, OperandMethod } from "../method.ts";
import { smoothQuant } from "../methods/smoothquant.ts";
import { rtn } from "../methods/rtn.ts";
import type { Tagged } from "../options.ts";
import { registerMethod } from "../registry.ts";
import { quantize } from "../quantize.ts";

const seen: Model[] = [];
const operand: OperandMethod<Tagged> = {
  apply: () => {
    throw new Error("a calibrated operand is not applied as it is");
  },
  async calibrate(model, _scheme, context) {
    const maxima = await activationMaxima(model, context.calibration("clipStatic"), ["attention", "down"]);
    seen.push(model);
    return async (x, { columns }, { layer, site }) => {
      const largest = maxima.get(`${layer}.${site}`);
      if (largest === undefined) return;
      const values = await model.device.read(x);
      // Half the range that was seen, which shows in the logits.
      const limit = (j: number) => largest[j] / 2;
      model.device.write(
        x,
        values.map((value, i) => Math.max(-limit(i % columns), Math.min(limit(i % columns), value))),
      );
    };
  },
};
const clipStatic: MethodWith<{ operand: OperandMethod<Tagged> }> = {
  name: "clipStatic",
  version: "1",
  parse: () => ({ method: "clipStatic" }),
  operand,
};
registerMethod(clipStatic);

const ids = Int32Array.from({ length: 40 }, (_, i) => (i * 53 + 7) % 700);

Deno.test("an operand is calibrated on the rewritten model before its weights are quantized", async () => {
  using model = await loadModel("fixture:llama");
  const scheme = {
    transforms: [smoothQuant({ alpha: 0.5 })],
    weights: rtn({ bits: 3 }),
    activations: { method: "clipStatic" },
  };
  using quantized = await quantize(model, scheme, { calibration: [ids] });
  using smoothed = await quantize(model, { transforms: scheme.transforms }, { calibration: [ids] });
  const expected = await activationMaxima(smoothed, [ids], ["attention", "down"]);
  using without = await quantize(model, { ...scheme, activations: undefined }, { calibration: [ids] });
  using twin = without.with({
    interventions: [{
      async input(x, { layer, site, columns }) {
        const largest = expected.get(`${layer}.${site}`);
        if (largest === undefined) return;
        const values = await model.device.read(x);
        const clipped = values.map((value, i) => {
          const limit = largest[i % columns] / 2;
          return Math.max(-limit, Math.min(limit, value));
        });
        model.device.write(x, clipped);
      },
    }],
    change: {},
  });
  assertEquals(await quantized.logits(ids), await twin.logits(ids));
  assertEquals(seen.length, 1);
});

Deno.test("an operand that calibrates says so when there is no calibration", async () => {
  using model = await loadModel("fixture:llama");
  await assertRejects(
    () => quantize(model, { activations: { method: "clipStatic" } }),
    Error,
    "clipStatic needs calibration windows",
  );
});
