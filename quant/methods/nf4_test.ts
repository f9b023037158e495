/** NF4 and FP4 against bitsandbytes (vectors.safetensors), and where the result is known. */
import { assertEquals, assertLess, assertThrows } from "@std/assert";
import { SchemeError } from "../error.ts";
import { encodeBlocks } from "../grids/blocks.ts";
import { bitsOf, floats, vector } from "../grids/float_testing.ts";
import { doubleQuantize, nf4, nf4Rule, nf4Tables, quantizeNf4, undoDoubleQuantize } from "./nf4.ts";

Deno.test("nf4: tables, ties, codes and products of bitsandbytes", async () => {
  for (const table of ["nf4", "fp4"] as const) {
    assertEquals(bitsOf(nf4Tables[table]), bitsOf(await floats(`bnb.table.${table}`)));
    const x = await floats(`bnb.${table}.xBits`), shape = { rows: 2, columns: 64 };
    const { codes, scales } = encodeBlocks(x, shape, nf4Rule({ table, blockSize: 64 }));
    assertEquals(codes, await vector(`bnb.${table}.codes`), table);
    assertEquals(scales, await floats(`bnb.${table}.absmaxBits`), table);
    const stored = quantizeNf4({ ...shape, data: x }, nf4({ table }));
    assertEquals(bitsOf(stored.dequantize()), bitsOf(await floats(`bnb.${table}.yBits`)), table);
  }
});

Deno.test("nf4: double quantization of bitsandbytes, but for the order in which the mean is summed", async () => {
  for (const table of ["nf4", "fp4"] as const) {
    const at = `bnb.${table}.doubleQuant`, x = await floats(`${at}.xBits`);
    const { codes, scales } = encodeBlocks(x, { rows: 40, columns: 64 }, nf4Rule({ table, blockSize: 64 }));
    // The even index lies in the high nibble.
    const packed = await vector(`${at}.packed`);
    assertEquals([...codes], [...packed].flatMap((byte) => [byte >> 4, byte & 15]), table);
    const absmaxima = Float32Array.from(scales), double = doubleQuantize(absmaxima);
    assertEquals(absmaxima, await floats(`${at}.absmaxExactBits`));
    assertEquals(double.codes, await vector(`${at}.absmaxCodes`));
    const [offset] = await floats(`${at}.offsetBits`), [most] = await floats(`${at}.state2AbsmaxBits`);
    for (const [ours, theirs] of [[double.offset, offset], [double.maxima[0], most]]) {
      assertLess(Math.abs(ours / theirs - 1), 2 ** -23);
    }
    // With its mean, its values.
    const restored = undoDoubleQuantize({ ...double, offset, maxima: Float32Array.of(most) });
    const values = Float32Array.from(codes, (code, i) => nf4Tables[table][code] * restored[i >> 6]);
    assertEquals(bitsOf(values), bitsOf(await floats(`${at}.yBits`)), table);
  }
});

Deno.test("nf4: zeros, constants and the table's values are exact; blocks run on over rows", () => {
  for (const table of ["nf4", "fp4"] as const) {
    const values = Float32Array.from({ length: 64 }, (_, i) => 0.5 * nf4Tables[table][i % 16]);
    for (
      const shape of [{ rows: 4, columns: 16 }, { rows: 1, columns: 64 }, { rows: 64, columns: 1 }, {
        rows: 2,
        columns: 32,
      }]
    ) {
      for (const blockSize of [16, 32, 64, 100]) {
        const got = quantizeNf4({ ...shape, data: values }, nf4({ table, blockSize }));
        assertEquals(got.dequantize().map((x) => x + 0), values.map((x) => x + 0));
        assertEquals([...got.shape], [shape.rows, shape.columns]);
        assertEquals(got.byteLength, 32 + 4 * Math.ceil(64 / blockSize));
      }
    }
    const constant = new Float32Array(64).fill(-0.3);
    // -1 is a code of both, and a block of equal absmaxima has no rest to quantize.
    const stored = quantizeNf4({ rows: 1, columns: 64, data: constant }, nf4({ table, doubleQuant: true }));
    assertEquals(stored.dequantize(), constant);
    assertEquals(
      quantizeNf4({ rows: 8, columns: 8, data: new Float32Array(64) }, nf4({ table })).dequantize(),
      new Float32Array(64),
    );
  }
});

Deno.test("nf4: measured bytes of double quantization", () => {
  const data = Float32Array.from({ length: 512 * 64 }, (_, i) => Math.sin(i));
  const stored = quantizeNf4({ rows: 512, columns: 64, data }, nf4({ doubleQuant: true }));
  // Codes; a byte a block; an absmax for 256 of them; the mean.
  assertEquals(stored.byteLength, 512 * 32 + 512 + 2 * 4 + 4);
});

Deno.test("nf4: options that are not accepted are named", () => {
  // @ts-expect-error: no such table
  assertThrows(() => nf4({ table: "nf3" }), SchemeError, 'table is "nf3": expected one of "nf4", "fp4"');
});
