import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import vectors from "../../fixtures/expected/methods2/formats/crossquant.json" with { type: "json" };
import { loadModel } from "../../model/load.ts";
import { oracleWindows } from "../../eval/oracle.ts";
import { goldenResults } from "../../eval/oracle/golden.ts";
import type { Intervention } from "../../model/decoder/intervention.ts";
import { quantize } from "../quantize.ts";
import { crossCodes, crossQuant, kernelFraction } from "./crossquant.ts";
import { rtn } from "./rtn.ts";

const floats = (bits: readonly number[]) => new Float32Array(new Uint32Array(bits).buffer);

Deno.test("codes, steps and the quantization kernel are those of an independent implementation", () => {
  for (const { xBits, shape: [rows, columns], ...cases } of Object.values(vectors)) {
    const matrix = { rows, columns, data: floats(xBits) };
    for (const [name, expected] of Object.entries(cases)) {
      const [, bits, alpha] = /b(\d+)\.a([\d.]+)/.exec(name)?.map(Number) ?? [];
      const { codes, steps } = crossCodes(matrix, { bits, alpha });
      assertEquals(Array.from(codes), expected.q.map((code) => code + 0), name);
      for (const [i, step] of steps.entries()) {
        assertAlmostEquals(step, expected.step[i], 1e-12 * expected.step[i]);
      }
      assertEquals(kernelFraction(matrix, { bits, alpha }), expected.kernelFraction, name);
      assert(codes.every((code) => Math.abs(code) <= 2 ** (bits - 1) - 1));
    }
  }
});

Deno.test("alpha 1 is per token and alpha 0 per channel, symmetric without the lowest code", async () => {
  using model = await loadModel("fixture:llama-outlier");
  const [ids] = await oracleWindows("test"), some = ids.slice(0, 64);
  for (const [alpha, granularity] of [[1, "token"], [0, "channel"]] as const) {
    const twin = rtn({ bits: 6, granularity, symmetric: true, codes: "narrow" });
    using ours = await quantize(model, { activations: crossQuant({ bits: 6, alpha }) });
    using uniform = await quantize(model, { activations: twin });
    const [a, b] = [await ours.logits(some), await uniform.logits(some)];
    const size = Math.sqrt(b.reduce((sum, x) => sum + x * x, 0) / b.length);
    const error = Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]) ** 2, 0) / a.length);
    // Steps are float64 here and float32 there: a value beside a boundary may take the other code.
    assert(error < 0.02 * size, `alpha ${alpha}: ${error} of ${size}`);
  }
});

Deno.test("the kernel grows with alpha where a channel is large, as measured by the independent implementation", async () => {
  const results = await goldenResults("formats", "llama-outlier");
  const share = (id: string) =>
    (results.get(id)?.extra?.kernelFractionPerLinear as Record<string, number>)["layers.0.self_attn.q_proj"];
  using model = await loadModel("fixture:llama-outlier");
  const windows = await oracleWindows("test");
  const alphas = [0, 0.55, 1], zeros = alphas.map(() => 0);
  let count = 0;
  const measure: Intervention = {
    async input(x, { layer, site, rows, columns }) {
      if (layer !== 0 || site !== "attention") return;
      const data = await model.device.read(x, 0, rows * columns);
      for (const [i, alpha] of alphas.entries()) {
        zeros[i] += kernelFraction({ rows, columns, data }, { bits: 4, alpha }) * data.length;
      }
      count += data.length;
    },
  };
  for (const ids of windows) {
    for (const hidden of await model.hiddenStates([ids], [measure])) hidden[Symbol.dispose]();
  }
  for (const [i, alpha] of alphas.entries()) {
    assertAlmostEquals(zeros[i] / count, share(`cross.a4.alpha${alpha}`), 1e-4, `alpha ${alpha}`);
  }
});

Deno.test("columns of zeros give zeros, and calibrated columns clamp", () => {
  const matrix = { rows: 2, columns: 3, data: Float32Array.of(0, 1, -2, 0, 4, 0.5) };
  const { codes } = crossCodes(matrix, { bits: 4, alpha: 0.15 });
  assertEquals([codes[0], codes[3]], [0, 0]);
  const clamped = crossCodes(matrix, { bits: 4, alpha: 0 }, Float32Array.of(1, 1, 1));
  assertEquals(Array.from(clamped.codes), [0, 7, -7, 0, 7, 4]);
});

Deno.test("what no calibration text reaches is refused by name, in weights and in operands", async () => {
  using model = await loadModel("fixture:llama");
  const [ids] = await oracleWindows("calib"), calibration = [ids.slice(0, 32)];
  const head = () => quantize(model, { head: { weights: crossQuant({ bits: 8 }) } }, { calibration });
  await assertRejects(head, Error, "crossQuant has no calibrated range of what no linear layer");
  using keys = await quantize(model, { key: crossQuant({ bits: 8, columns: "calibration" }) }, {
    calibration,
  });
  await assertRejects(() => keys.logits(ids.slice(0, 8)), Error, "crossQuant has no calibrated range of key");
});
