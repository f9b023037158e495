import { assert, assertEquals, assertLessOrEqual, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import vectors from "../../fixtures/vectors.json" with { type: "json" };
import { oracleTensors } from "../../eval/oracle.ts";
import { packedValues } from "../../kernels/host/packed.ts";
import { loadModel } from "../../model/load.ts";
import { gptq, quantizeWithHessian } from "./gptq.ts";
import type { Matrix } from "../method.ts";
import { qrazor, type QRazorOptions, razorWeight } from "./qrazor.ts";
import { flagBits, razor, type RazorRule } from "../grids/razor.ts";
import { RazoredWeight } from "../weights/razored.ts";
import { razorOperand } from "./qrazor/operand.ts";
import { quantize } from "../quantize.ts";
import { storedWeight } from "../weights/linear.ts";
import { quantizeRows, rtn } from "./rtn.ts";
import { SchemeError } from "../error.ts";

/** Razors consecutive groups; returns the codes and the shifts. */
function razorAll(codes: Iterable<number>, groupSize: number, rule: RazorRule): [number[], number[]] {
  const razored = Int32Array.from(codes), shifts: number[] = [];
  for (let i = 0; i < razored.length; i += groupSize) {
    shifts.push(razor(razored, i, Math.min(groupSize, razored.length - i), 1, rule));
  }
  return [[...razored], shifts];
}

/** Random numbers of very different sizes, as rows have. */
function noise(rows: number, columns: number, seed: number): Matrix {
  let state = seed >>> 0;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const data = Float32Array.from({ length: rows * columns }, () => (next() - 0.5) * 4 ** (3 * next()));
  return { rows, columns, data };
}

/** The original code's tensor; its negative zeros count as zeros, as integers have none. */
function expectedValues(tensors: Awaited<ReturnType<typeof oracleTensors>>, name: string): Float32Array {
  return (tensors.get(name)?.data as Float32Array).map((value) => value + 0);
}

const base8 = { bits: 4, baseBits: 8 }, base16 = { baseBits: 16 };

Deno.test("razor agrees with the golden vectors", () => {
  const { q8, q16, shifts, r4_g8_head, r4_g8_signmag, q16_r8_g8, q16_r4_g8, shift_r8, shift_r4 } =
    vectors.qrazor;
  assertEquals(razorAll(q8, 8, { ...base8, variant: "head" }), [r4_g8_head, shifts]);
  assertEquals(razorAll(q8, 8, { ...base8, variant: "june" }), [r4_g8_signmag, shifts]);
  assertEquals(razorAll(q16, 8, { ...base16, bits: 8, variant: "head" }), [q16_r8_g8, shift_r8]);
  assertEquals(razorAll(q16, 8, { ...base16, bits: 4, variant: "head" }), [q16_r4_g8, shift_r4]);
});

Deno.test("razor gives the original code's integers, in both versions", async () => {
  const tensors = await oracleTensors("llama");
  let compared = 0;
  for (const variant of ["head", "june"] as const) {
    for (const [baseBits, groupSizes] of [[8, [8, 16]], [16, [16]]] as const) {
      const input = tensors.get(`sdr.b${baseBits}.in`)?.data as Float32Array;
      for (const bits of [4, 8]) {
        for (const groupSize of groupSizes) {
          const name = `${variant}.sdr.b${baseBits}.r${bits}.g${groupSize}.out`;
          const [razored] = razorAll(input, groupSize, { bits, baseBits, variant });
          assertEquals(Float32Array.from(razored), expectedValues(tensors, name));
          compared++;
        }
      }
    }
  }
  assertEquals(compared, 12);
});

Deno.test("razored weights are the original code's values exactly", async () => {
  const tensors = await oracleTensors("llama");
  using model = await loadModel("fixture:llama");
  for (const [role, module] of [["q", "q_proj"], ["down", "down_proj"]] as const) {
    const { shape: [rows, columns], values } = model.linear(0, role);
    const weight = { rows, columns, data: await values() };
    for (const [variant, search] of [["head", "none"], ["june", "mse"]] as const) {
      for (const groupSize of [8, 32]) {
        const name = `${variant}.qrazorW4g${groupSize}.layers.0.${module}.weight`;
        const ours = razorWeight(weight, qrazor({ bits: 4, groupSize, variant, search })).dequantize();
        assertEquals(ours.subarray(0, 64 * columns), expectedValues(tensors, name));
      }
    }
  }
});

Deno.test("compensated weights are the original code's values exactly, on its Hessian", async () => {
  const tensors = await oracleTensors("llama");
  const hessian = Float64Array.from(tensors.get("gptq.H.first")?.data as Float32Array);
  using model = await loadModel("fixture:llama");
  const weight = { rows: 256, columns: 256, data: await model.linear(0, "q").values() };
  for (const variant of ["head", "june"] as const) {
    const ours = razorWeight(weight, qrazor({ bits: 4, groupSize: 32, variant, compensation: {} }), hessian);
    const expected = expectedValues(tensors, `${variant}.qrazorGptqW4g32.layers.0.q_proj.weight`);
    assertEquals(ours.dequantize().subarray(0, 64 * 256), expected);
  }
});

Deno.test("effective bits are bits + flag bits / group size, measured from the packed form", () => {
  const weight = noise(16, 256, 1);
  for (const [groupSize, expected] of Object.entries(vectors.qrazor.effective_bits)) {
    const razored = razorWeight(weight, qrazor({ bits: 4, groupSize: Number(groupSize) }));
    assertEquals(razored.effectiveBits, expected);
    assertEquals(razored.byteLength, 16 * 256 * expected / 8 + 16 * 4);
  }
  assertEquals([flagBits({ ...base8, variant: "june" }), flagBits({ ...base16, bits: 4, variant: "june" })], [
    3,
    4,
  ]);
});

Deno.test("with all bits kept, QRazor is its base quantizer", () => {
  const weight = noise(8, 64, 2);
  const base = quantizeRows(weight, rtn({ bits: 8, symmetric: true })).dequantize();
  for (const variant of ["head", "june"] as const) {
    assertEquals(razorWeight(weight, qrazor({ bits: 8, baseBits: 8, variant })).dequantize(), base);
    const x = weight.data.slice();
    const scheme = qrazor({ bits: 8, baseBits: 8, variant, granularity: "row" });
    razorOperand(x, { rows: 8, columns: 64, heads: 1 }, scheme);
    assertEquals(x, base);
  }
});

Deno.test("a group of small numbers loses nothing, whatever stands in other groups", () => {
  const codes = Int32Array.of(7, -7, 3, 0, 127, -127, 64, 1);
  for (const variant of ["head", "june"] as const) {
    assertEquals(razorAll(codes, 4, { ...base8, variant })[0].slice(0, 4), [7, -7, 3, 0]);
  }
});

Deno.test("groups of one value keep its leading bits: three of a magnitude at 4 bits", () => {
  for (let code = -127; code <= 127; code++) {
    const [[kept]] = razorAll([code], 1, { ...base8, variant: "june" });
    assertLessOrEqual(Math.abs(kept - code), Math.abs(code) / 8, String(code));
  }
});

Deno.test("razored codes fit in their bits, lie near the codes and stay when razored again", () => {
  const rule = fc.record({
    bits: fc.integer({ min: 4, max: 8 }),
    baseBits: fc.constantFrom(8, 16),
    variant: fc.constantFrom("june" as const, "head" as const),
  });
  fc.assert(fc.property(
    rule,
    fc.integer({ min: 1, max: 20 }),
    fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 60 }),
    (rule, groupSize, values) => {
      const limit = 2 ** (rule.baseBits - 1) - 1;
      const codes = values.map((value) => Math.trunc(value ** 5 * limit));
      const [razored, shifts] = razorAll(codes, groupSize, rule);
      const top = 2 ** (rule.bits - 1);
      for (const [i, code] of codes.entries()) {
        const shift = shifts[Math.floor(i / groupSize)];
        const kept = razored[i] / 2 ** shift;
        assert(Number.isInteger(kept) && kept < top && kept >= (rule.variant === "head" ? -top : 1 - top));
        // Rounding costs half a step, being cut off or saturating up to a whole one.
        assertLessOrEqual(Math.abs(razored[i] - code), 2 ** shift);
        assertLessOrEqual(shift, rule.baseBits + 1 - rule.bits);
        assert(razored[i] * code >= 0, "signs stay");
      }
      // HEAD's most negative code counts one bit more than the group had, so only the other version is idempotent.
      if (rule.variant === "june") assertEquals(razorAll(razored, groupSize, rule)[0], razored);
    },
  ));
});

Deno.test("packed weights hold what was razored, with groups that do not divide rows or columns", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 9 }),
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 1, max: 50 }),
    fc.integer(),
    fc.boolean(),
    (rows, columns, groupSize, seed, symmetric) => {
      const weight = noise(rows, columns, seed);
      const scheme = qrazor({ bits: 4, baseBits: 8, groupSize, granularity: "row", symmetric });
      const x = weight.data.slice();
      razorOperand(x, { rows, columns, heads: 1 }, {
        ...scheme,
        groupSize: Math.min(groupSize, columns),
      });
      assertEquals(razorWeight(weight, scheme).dequantize(), x);
    },
  ));
});

Deno.test("an identity Hessian compensates nothing: groups then run over output rows", () => {
  const weight = noise(48, 24, 5);
  const identity = new Float64Array(24 * 24);
  for (let j = 0; j < 24; j++) identity[j * 25] = 1;
  const scheme = qrazor({ bits: 4, groupSize: 16, compensation: { percdamp: 0 } });
  const data = razorWeight(weight, scheme, identity).dequantize();
  const base = quantizeRows(weight, rtn({ bits: 8, symmetric: true }));
  for (let column = 0; column < 24; column++) {
    const codes = Array.from({ length: 48 }, (_, row) => base.codes()[row * 24 + column] - 128);
    const [expected] = razorAll(codes, 16, scheme);
    for (let row = 0; row < 48; row++) {
      assertEquals(data[row * 24 + column], Math.fround(base.scales[row] * expected[row]));
    }
  }
});

Deno.test("with all bits kept, compensation is GPTQ's with symmetric codes", () => {
  const weight = noise(12, 32, 6), inputs = noise(80, 32, 7).data;
  const hessian = new Float64Array(32 * 32);
  for (let t = 0; t < 80; t++) {
    for (let j = 0; j < 32; j++) {
      for (let k = 0; k < 32; k++) hessian[j * 32 + k] += inputs[t * 32 + j] * inputs[t * 32 + k];
    }
  }
  // A base of 8 bits: neither reaches the one code, -128, that only GPTQ has, with values well inside the range.
  for (const actOrder of [false, true]) {
    const ours = razorWeight(weight, qrazor({ bits: 8, baseBits: 8, compensation: { actOrder } }), hessian);
    const theirs = quantizeWithHessian(weight, hessian, gptq({ bits: 8, symmetric: true, actOrder })).weight;
    assert(theirs.codes().every((code) => code > 0), "the example stays off -128");
    assertEquals(ours.dequantize(), theirs.dequantize());
  }
});

Deno.test("groups longer than a head's vector run on in the head's next token", () => {
  const { data } = noise(6, 16, 8);
  const view = { rows: 6, columns: 16, heads: 2 };
  const scheme = qrazor({ bits: 4, baseBits: 8, groupSize: 16 });
  const ours = data.slice();
  razorOperand(ours, view, scheme);
  // The same with the heads one after the other, as the original lays them out.
  const byHead = (values: Float32Array) =>
    Float32Array.from(
      { length: 96 },
      (_, i) => values[Math.floor(i / 8) % 6 * 16 + Math.floor(i / 48) * 8 + i % 8],
    );
  const expected = byHead(data);
  razorOperand(expected, { rows: 6, columns: 16, heads: 1 }, scheme);
  assertEquals(byHead(ours), expected);
});

Deno.test("an operand that is not finite becomes NaN, and zeros stay zeros", () => {
  const scheme = qrazor({ bits: 4, baseBits: 16 });
  for (const bad of [NaN, Infinity]) {
    const x = Float32Array.of(1, bad, 2, 3);
    razorOperand(x, { rows: 1, columns: 4, heads: 1 }, scheme);
    assertEquals(x, new Float32Array(4).fill(NaN));
  }
  const zeros = new Float32Array(32);
  razorOperand(zeros, { rows: 2, columns: 16, heads: 1 }, scheme);
  assertEquals(zeros, new Float32Array(32));
});

Deno.test("kernels get the values of groups along a row, and nothing where groups are cut or run down columns", () => {
  fc.assert(
    fc.property(fc.constantFrom(4, 6), fc.constantFrom(8, 24), fc.boolean(), (bits, groupSize, perRow) => {
      const codes = Int32Array.from({ length: 5 * 24 }, (_, i) => (i * 37) % 255 - 127);
      const rule = { bits, baseBits: 8, variant: "head" } as const;
      const shifts = new Uint8Array(codes.length / groupSize);
      for (let group = 0; group < shifts.length; group++) {
        shifts[group] = razor(codes, group * groupSize, groupSize, 1, rule);
      }
      const scales = Float32Array.from({ length: perRow ? 5 : 1 }, (_, i) => 0.1 + i);
      const parts = { shape: [5, 24], rule, groupSize, codes, shifts, scales } as const;
      const weight = new RazoredWeight({ ...parts, axis: "row" });
      assertEquals(weight.pack && packedValues(weight.pack()), weight.dequantize());
    }),
  );
  const odd = { rule: { bits: 4, baseBits: 8, variant: "head" }, scales: Float32Array.of(1) } as const;
  const codes = new Int32Array(12);
  const cut = { ...odd, shape: [2, 6], codes, groupSize: 4, shifts: new Uint8Array(4) } as const;
  assertEquals(new RazoredWeight({ ...cut, axis: "row" }).pack, undefined);
  const down = { ...odd, shape: [2, 6], codes, groupSize: 2, shifts: new Uint8Array(6) } as const;
  assertEquals(new RazoredWeight({ ...down, axis: "column" }).pack, undefined);
});

Deno.test("a model is quantized at all sites, and keeps its packed weights", async () => {
  using model = await loadModel("fixture:llama");
  const kv = qrazor({ bits: 4, baseBits: 8, groupSize: 24 });
  const scheme = {
    weights: kv,
    activations: qrazor({ bits: 8, baseBits: 16 }),
    query: kv,
    key: kv,
    value: kv,
  };
  using quantized = await quantize(model, scheme);
  const packed = storedWeight(quantized, 0, "down");
  const values = await quantized.linear(0, "down").values();
  assertEquals(packed?.dequantize(), values);
  const logits = await quantized.logits(Int32Array.of(1, 2, 3, 4, 5));
  assert(logits.every(Number.isFinite));
});

Deno.test("options are checked", async () => {
  assertThrows(() => qrazor({ bits: 9 }), SchemeError, "bits is 9: expected an integer from 4 to 8");
  assertThrows(
    () => qrazor({ bits: 3, variant: "june" }),
    SchemeError,
    "bits is 3: expected an integer from 4 to 8",
  );
  assertEquals(qrazor({ bits: 3, variant: "head" }).bits, 3);
  assertThrows(() => qrazor({ bits: 4, baseBits: 17 }), SchemeError, "baseBits is 17");
  assertThrows(() => qrazor({ bits: 4, groupSize: 0 }), SchemeError, "groupSize is 0");
  assertThrows(() => qrazor({ bits: 4, group: 8 } as QRazorOptions), SchemeError, 'no option "group"');
  assertThrows(
    () => qrazor({ bits: 4, compensation: { percdamp: -1 } }),
    SchemeError,
    "compensation.percdamp",
  );
  assertThrows(
    () => razorWeight(noise(1, 8, 1), qrazor({ bits: 12, baseBits: 16 })),
    SchemeError,
    "for weights",
  );
  using model = await loadModel("fixture:llama");
  const compensated = { weights: qrazor({ bits: 4, compensation: {} }) };
  await assertRejects(() => quantize(model, compensated), SchemeError, "needs calibration windows");
});
