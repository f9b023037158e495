import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { oracleWindows } from "../eval/oracle.ts";
import { legacyScheme } from "../eval/oracle/schemes/nearest.ts";
import { cpuDevice } from "../kernels/cpu/device.ts";
import { loadModel } from "../model/load.ts";
import { qrazor } from "./methods/qrazor.ts";
import { gptq } from "./methods/gptq.ts";
import type { Method, WeightMethod } from "./method.ts";
import type { Tagged } from "./options.ts";
import { quantize, type QuantizeOptions } from "./quantize.ts";
import { storedWeight, weightStorage } from "./weights/linear.ts";
import { registerMethod } from "./registry.ts";
import { rtn } from "./methods/rtn.ts";
import { describeScheme, parseScheme, type Scheme } from "./scheme.ts";
import { SchemeError } from "./error.ts";
import { smoothQuant } from "./methods/smoothquant.ts";

const ids = (await oracleWindows("test"))[0].slice(0, 48);
const calibration = (await oracleWindows("calib")).slice(0, 2);

Deno.test("quantize leaves its argument unchanged and shares what it did not change", async () => {
  using model = await loadModel("fixture:llama");
  const before = await model.logits(ids);
  const hash = await model.hash();
  using quantized = await quantize(model, legacyScheme({ bitsW: 4, bitsA: 8, alpha: 0.5 }), { calibration });
  assertNotEquals(await quantized.logits(ids), before);
  assertEquals(await model.logits(ids), before);
  assertEquals(await model.hash(), hash);
  assertNotEquals(await quantized.hash(), hash);
  assert(quantized.vector("model.norm.weight") === model.vector("model.norm.weight"));
  assert(quantized.linear(0, "q") !== model.linear(0, "q"));
});

Deno.test("disposing a quantized model frees what it owns and nothing else", async () => {
  using device = await cpuDevice({ threads: 1 });
  using model = await loadModel("fixture:llama", { device });
  const logits = await model.logits(ids);
  const held = device.memory.used;
  for (let i = 0; i < 3; i++) {
    using quantized = await quantize(model, { weights: rtn({ bits: 4 }) });
    await quantized.logits(ids);
    assert(device.memory.used > held);
  }
  await Promise.resolve();
  assertEquals(device.memory.used, held);
  assertEquals(await model.logits(ids), logits);
});

Deno.test("1, 2 and 4 threads give the same bits", async () => {
  const results: Float32Array[] = [];
  for (const threads of [1, 2, 4]) {
    using device = await cpuDevice({ threads });
    using model = await loadModel("fixture:llama-outlier", { device });
    using quantized = await quantize(model, legacyScheme({ bitsW: 6, bitsA: 6, alpha: 0.5 }), {
      calibration,
    });
    results.push(await quantized.logits(ids));
  }
  assertEquals(results[1], results[0]);
  assertEquals(results[2], results[0]);
});

Deno.test("packed and simulated execution agree, prompts bit for bit, and packed weights take less memory", async () => {
  using device = await cpuDevice({ threads: 2 });
  using model = await loadModel("fixture:llama", { device });
  const schemes: [Scheme, number][] = [
    [{ weights: rtn({ bits: 4, groupSize: 32 }) }, 4 + 40 / 32],
    [{ weights: rtn({ bits: 3 }) }, 3 + 40 / 256],
    [{ weights: rtn({ bits: 8, symmetric: true }) }, 8 + 40 / 256],
    [{ weights: rtn({ bits: 2, groupSize: 64 }) }, 2 + 40 / 64],
    // A base scale of each row times the shift of each group.
    [{ weights: qrazor({ bits: 4, baseBits: 8, groupSize: 32 }) }, 4 + 40 / 32],
    [{ weights: rtn({ bits: 4, granularity: "tensor" }) }, 4 + 40 / 256],
    // A permutation, whose groups are no runs of columns: a number of 4 bytes for each of at least 128 rows.
    [{ weights: gptq({ bits: 4, groupSize: 64, actOrder: true }) }, 4 + 40 / 64 + 32 / 128],
  ];
  for (const [scheme, bits] of schemes) {
    using simulated = await quantize(model, scheme, { calibration });
    using packed = await quantize(model, scheme, { calibration, execution: "packed" });
    const name = JSON.stringify(scheme);
    assertEquals(await packed.logits(ids), await simulated.logits(ids), name);
    // One token multiplies codes instead of values: float32 rounding of a few hundred products, in each of four layers.
    const one = await simulated.logits(ids.slice(0, 1)),
      most = one.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    for (const [i, logit] of (await packed.logits(ids.slice(0, 1))).entries()) {
      assertLessOrEqual(Math.abs(logit - one[i]), 4 * 64 * 2 ** -24 * most, name);
    }
    const layer = [await packed.linear(0, "up").load(), await simulated.linear(0, "up").load()];
    const [out, inputs] = packed.linear(0, "up").shape;
    assertEquals(layer[1].byteLength, 4 * out * inputs);
    assert(layer[0].byteLength <= 64 + out * inputs * bits / 8, `${name}: ${layer[0].byteLength} bytes`);
  }
});

Deno.test("packed execution is refused where there is no kernel for it, and for no other word", async () => {
  using model = await loadModel("fixture:llama");
  // Groups that are cut short at the end of a row.
  const scheme = { weights: qrazor({ bits: 4, baseBits: 8, groupSize: 24 }) };
  const error = await assertRejects(
    () => quantize(model, scheme, { calibration, execution: "packed" }),
    SchemeError,
  );
  assertEquals(error.code, "combination");
  assertEquals(
    error.message,
    'qrazor has no packed kernel for model.layers.0.self_attn.q_proj.weight: use execution "simulated"',
  );
  const wrong = { execution: "fused" } as unknown as QuantizeOptions;
  await assertRejects(() => quantize(model, scheme, wrong), SchemeError, 'execution is "fused"');
});

Deno.test("storage is measured from packed bytes", async () => {
  using model = await loadModel("fixture:llama");
  assertEquals(weightStorage(model).bitsPerWeight, 16);
  using quantized = await quantize(model, { weights: rtn({ bits: 4, groupSize: 32 }) });
  assertEquals(weightStorage(quantized).bitsPerWeight, 4 + 36 / 32);
  assertEquals(storedWeight(quantized, 0, "q")?.shape, [256, 256]);
  assertEquals(storedWeight(model, 0, "q"), undefined);
});

Deno.test("schemes survive JSON, and wrong ones are refused with the reason", async () => {
  const scheme: Scheme = { ...legacyScheme({ bitsW: 8, bitsA: 8, alpha: 0.55 }) };
  assertEquals(parseScheme(JSON.parse(JSON.stringify(scheme))), scheme);
  assertEquals(describeScheme({ weights: rtn({ bits: 4 }) }), "rtn W4");
  assertThrows(
    () => parseScheme({ weights: { method: "magic" } }),
    SchemeError,
    `method is "magic": expected one of abq`,
  );
  assertThrows(() => parseScheme({ weight: rtn({ bits: 4 }) }), SchemeError, 'no part "weight"');
  assertThrows(
    () => parseScheme({ weights: smoothQuant() }),
    SchemeError,
    "weights cannot be quantized by smoothQuant",
  );
  assertThrows(() => parseScheme({ weights: { method: "rtn", bits: 9 } }), SchemeError, "bits is 9");
  assertThrows(() => parseScheme(null), SchemeError, "expected an object");
  using model = await loadModel("fixture:llama");
  const error = await assertRejects(
    () => quantize(model, { weights: rtn({ bits: 4, groupSize: 96 }) }),
    SchemeError,
  );
  assertEquals(
    error.message,
    "weights: groupSize 96 does not divide 256 input features of model.layers.0.self_attn.q_proj.weight",
  );
  await assertRejects(
    () => quantize(model, { key: rtn({ bits: 4, groupSize: 48 }) }),
    SchemeError,
    "64 dimensions of a head",
  );
});

// What nonsense the compiler refuses; a missing error here fails the type check.
// @ts-expect-error weights have no tokens
const _tokens: Scheme = { weights: rtn({ bits: 4, granularity: "token" }) };
// @ts-expect-error smoothing is a transform
const _transform: Scheme = { weights: smoothQuant() };

Deno.test("a new method is one object in the registry", async () => {
  interface Ternary extends Tagged {
    readonly method: "ternary";
  }
  const weights: WeightMethod<Ternary> = {
    needs: "nothing",
    quantize({ rows, columns, data }) {
      const scale = data.reduce((sum, x) => sum + Math.abs(x), 0) / data.length;
      const signs = data.map((x) => scale * Math.round(Math.max(-1, Math.min(1, x / scale))));
      return {
        shape: [rows, columns],
        byteLength: Math.ceil(data.length * 2 / 8) + 4,
        dequantize: () => signs,
      };
    },
  };
  const method: Method = { name: "ternary", parse: () => ({ method: "ternary" }), weights };
  registerMethod(method);
  assertThrows(() => registerMethod(method), SchemeError, "registered already");
  using model = await loadModel("fixture:llama");
  const scheme = {
    weights: { method: "ternary" },
    activations: rtn({ bits: 8, granularity: "token" }),
  } as unknown as Scheme;
  using quantized = await quantize(model, scheme);
  assertEquals(Math.round(100 * weightStorage(quantized).bitsPerWeight), 200);
  assert((await quantized.logits(ids)).every(Number.isFinite));
});
