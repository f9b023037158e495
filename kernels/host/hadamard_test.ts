/** Hadamard matrices: orthogonal at every order, and those of QuaRot's tables at theirs. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { crc32 } from "node:zlib";
import { hadamard, hadamardMatrix, hadamardPlan } from "./hadamard.ts";

const vectors = JSON.parse(
  await Deno.readTextFile(
    new URL("../../fixtures/expected/methods2/rotation-w4a8/vectors.json", import.meta.url),
  ),
);
const checksum = (signs: Int8Array) => crc32(new Uint8Array(signs.buffer)).toString(16).padStart(8, "0");

Deno.test("at the orders of QuaRot's tables the formulas give these tables", () => {
  const tables: Record<string, { crc32Int8RowMajor: string; symmetric: boolean }> =
    vectors.quarot["hadamard.tables"];
  assertEquals(Object.keys(tables).length, 11);
  for (const [order, { crc32Int8RowMajor, symmetric }] of Object.entries(tables)) {
    const n = Number(order), matrix = hadamardMatrix(n);
    assertEquals(checksum(matrix), crc32Int8RowMajor, order);
    assertEquals(matrix.every((sign, i) => sign === matrix[i % n * n + Math.floor(i / n)]), symmetric, order);
  }
});

Deno.test("the transform of unit vectors gives the operators of QuaRot's code", () => {
  const operators: { n: number; crc32SignsRowMajor: string }[] = vectors.quarot["hadamard.operator"];
  for (const { n, crc32SignsRowMajor } of operators) {
    const unit = new Float32Array(n * n);
    for (let i = 0; i < n; i++) unit[i * n + i] = 1;
    hadamard(unit, { rows: n, size: n });
    assertEquals(checksum(Int8Array.from(unit, Math.sign)), crc32SignsRowMajor, String(n));
  }
});

Deno.test("every order up to 512 that a size reaches is orthogonal", () => {
  const orders = new Set<number>();
  for (let size = 1; size <= 1024; size++) {
    const { order, doubled, blocks } = hadamardPlan(size);
    assertEquals(order * doubled * blocks, size);
    orders.add(order);
  }
  // Also what SpinQuant's further table has, and widths of public models: 148 of Qwen2.5-7B's 18944, 76 of 4864.
  for (const order of [44, 76, 148]) assert(orders.has(order), String(order));
  for (const order of orders) {
    const matrix = hadamardMatrix(order);
    for (let i = 0; i < order; i++) {
      for (let j = 0; j <= i; j++) {
        let sum = 0;
        for (let k = 0; k < order; k++) sum += matrix[i * order + k] * matrix[j * order + k];
        assertEquals(sum, i === j ? order : 0, `order ${order}, rows ${i} and ${j}`);
      }
    }
  }
});

Deno.test("the order that a size takes", () => {
  const orders = (sizes: number[]) => sizes.map((size) => hadamardPlan(size).order);
  assertEquals(orders([1, 2, 64, 4096, 12, 768, 576, 688, 5632, 18944]), [
    1,
    1,
    1,
    1,
    12,
    12,
    36,
    172,
    44,
    148,
  ]);
  // QuaRot's table of 40 precedes that of 20.
  assertEquals(orders([20, 40, 320, 5120]), [20, 40, 40, 40]);
  // What none reaches: blocks of a power of two.
  assertEquals(hadamardPlan(3), { order: 1, doubled: 1, blocks: 3 });
  assertEquals(hadamardPlan(6), { order: 1, doubled: 2, blocks: 3 });
  assertThrows(() => hadamardMatrix(6), RangeError, "no Hadamard matrix of order 6 is known here");
});
