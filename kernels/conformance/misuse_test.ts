/** Tests of memory and of misuse on every device, the reference included: errors say what was wrong and expected. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Device } from "../device.ts";
import { testedDevices } from "./suite.ts";
import { DeviceError } from "../error.ts";
import { referenceDevice } from "../reference.ts";

const devices = [{ name: "reference", open: () => Promise.resolve(referenceDevice()) }, ...testedDevices];

function onEveryDevice(name: string, run: (device: Device) => Promise<void> | void): void {
  for (const { name: deviceName, open } of devices) {
    Deno.test(`${name} (${deviceName})`, async () => {
      const device = await open();
      await run(device);
    });
  }
}

/** Asserts that `call` throws a DeviceError with this code and text. */
function refuses(code: string, text: string, call: () => unknown): void {
  assertEquals(assertThrows(call, DeviceError, text).code, code);
}

onEveryDevice("memory: allocate, upload, write, copy, read", async (device) => {
  using zeros = device.allocate(5);
  using data = device.upload(new Float32Array([1, 2, 3, 4, 5]));
  assertEquals(await device.read(zeros), new Float32Array(5));
  device.write(zeros, new Float32Array([7, 8]), 3);
  device.copy(data, 1, zeros, 0, 2);
  assertEquals(await device.read(zeros), new Float32Array([2, 3, 0, 7, 8]));
  assertEquals(await device.read(data, 3), new Float32Array([4, 5]));
  using empty = device.allocate(0);
  assertEquals(await device.read(empty), new Float32Array(0));
});

onEveryDevice(
  "memory: recycled memory is zero, a copy read before stays, use and peak are counted",
  async (device) => {
    const { used: before, peak } = device.memory;
    const first = device.upload(new Float32Array(1000).fill(1));
    const copy = await device.read(first);
    assertEquals(device.memory.used - before, 4000);
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    assertEquals(device.memory.used, before);
    using second = device.allocate(1000);
    assertEquals(await device.read(second), new Float32Array(1000));
    assertEquals(copy, new Float32Array(1000).fill(1));
    assertEquals(device.memory.peak, Math.max(peak, before + 4000));
  },
);

onEveryDevice("misuse: a buffer too small names the operation, the argument and both sizes", (device) => {
  using x = device.allocate(6), y = device.allocate(6), small = device.allocate(5);
  using weight = device.weight(new Float32Array(6), 2, 3);
  const rule = { bits: 8, mode: "symmetric", zeroInRange: true } as const;
  const attention = { tokens: 1, kvTokens: 2, heads: 1, kvHeads: 1, headDim: 3, scale: 1 };
  const text = (op: string, argument: string, got: number, expected: number) =>
    `${op}: ${argument} holds ${got} elements: expected at least ${expected}`;
  refuses("length", text("linear", "x", 6, 9), () => device.linear(x, weight, null, y, 3));
  refuses("length", text("linear", "y", 6, 8), () => {
    using wide = device.allocate(12);
    device.linear(wide, weight, null, y, 4);
  });
  refuses("length", text("gemm", "b", 5, 6), () => device.gemm(x, small, y, { m: 2, n: 2, k: 3 }));
  refuses("length", text("rmsNorm", "x", 6, 10), () => device.rmsNorm(x, small, y, 2, 1e-5));
  refuses("length", text("layerNorm", "bias", 5, 6), () => device.layerNorm(x, y, small, y, 1, 1e-5));
  refuses("length", text("attention", "k", 5, 6), () => device.attention(x, small, x, y, attention));
  refuses("length", text("logSoftmax", "y", 5, 6), () => device.logSoftmax(x, small, 2, 3));
  refuses("length", text("fakeQuantize", "y", 5, 6), () => {
    device.fakeQuantize(x, small, rule, { rows: 2, columns: 3, axis: "row" });
  });
  refuses("length", text("columnAbsMax", "x", 6, 10), () => device.columnAbsMax(x, small, 2));
  refuses("length", text("write", "buffer", 5, 7), () => device.write(small, new Float32Array(3), 4));
  refuses("length", text("copy", "from", 5, 6), () => device.copy(small, 3, x, 0, 3));
  refuses(
    "length",
    "add: y holds 5 elements: expected a divisor of the 6 elements of x",
    () => device.add(x, small),
  );
  refuses(
    "length",
    "weight: data holds 6 elements: expected 8",
    () => device.weight(new Float32Array(6), 2, 4),
  );
  refuses("length", text("rotary", "table", 6, 8), () => {
    device.rotary(x, x, { tokens: 1, heads: 1, headDim: 2, rotaryDim: 2, position: 3, layout: "half" });
  });
});

onEveryDevice("misuse: shapes that make no sense", (device) => {
  using x = device.allocate(12), y = device.allocate(12);
  const attention = { tokens: 1, kvTokens: 1, heads: 3, kvHeads: 2, headDim: 1, scale: 1 };
  refuses(
    "shape",
    "attention: heads is 3: expected a multiple of 2",
    () => device.attention(x, x, x, y, attention),
  );
  refuses("shape", "attention: tokens is 2: expected an integer, 0 to 1", () => {
    device.attention(x, x, x, y, { ...attention, kvHeads: 1, tokens: 2 });
  });
  refuses(
    "shape",
    "logSoftmax: rows is 1.5: expected an integer, 0 or more",
    () => device.logSoftmax(x, y, 1.5, 2),
  );
  refuses("shape", "allocate: length is -1: expected an integer, 0 or more", () => device.allocate(-1));
  const rule = { bits: 4, mode: "asymmetric", zeroInRange: true } as const;
  refuses("shape", "fakeQuantize: columns is 4: expected a multiple of 3", () => {
    device.fakeQuantize(x, y, rule, { rows: 3, columns: 4, axis: "row", groupSize: 3 });
  });
  refuses("rule", "fakeQuantize: cannot quantize to 0 bits: expected 1 to 16", () => {
    device.fakeQuantize(x, y, { ...rule, bits: 0 }, { rows: 3, columns: 4, axis: "row" });
  });
  refuses("rule", "fakeQuantize: clip is 0: expected more than 0, to 1", () => {
    device.fakeQuantize(x, y, { ...rule, clip: 0 }, { rows: 3, columns: 4, axis: "row" });
  });
  refuses("alias", "linear: x and y are the same buffer", () => {
    using weight = device.weight(new Float32Array(4), 2, 2);
    device.linear(x, weight, null, x, 1);
  });
});

onEveryDevice("misuse: pulls and fits that make no sense", async (device) => {
  const four = new Float64Array(4);
  refuses("shape", "errorPull: rows is 0: expected an integer, 1 or more", () => {
    device.errorPull(four, four, 0);
  });
  refuses("shape", "errorPull: length of errors is 4: expected a multiple of 3", () => {
    device.errorPull(four, four, 3);
  });
  refuses("length", "errorPull: factor holds 4 elements: expected 16", () => device.errorPull(four, four, 1));
  using pull = device.errorPull(four, four, 2);
  const beyond = "errorPull.at: count is 2: expected an integer, 0 to 1";
  await assertRejects(() => pull.at(1, 2), DeviceError, beyond);
  const rule = { bits: 3, groupSize: 3, rounds: 1 }, weights = new Float32Array(4);
  const text = "fitBinary: length of weights is 4: expected a multiple of 3";
  await assertRejects(() => device.fitBinary(weights, rule), DeviceError, text);
  const bits = "fitBinary: bits is 9: expected an integer, 1 to 8";
  await assertRejects(() => device.fitBinary(weights, { ...rule, bits: 9 }), DeviceError, bits);
});

onEveryDevice("misuse: released buffers and buffers of another device", async (device) => {
  using other = referenceDevice();
  using x = device.allocate(4), foreign = other.allocate(4);
  const gone = device.allocate(4), weight = device.weight(new Float32Array(4), 2, 2), acc = device.gram(2);
  gone[Symbol.dispose]();
  weight[Symbol.dispose]();
  acc[Symbol.dispose]();
  refuses("released", "add: y has been released", () => device.add(x, gone));
  refuses("released", "linear: weight has been released", () => device.linear(x, weight, null, gone, 1));
  refuses("foreign", "multiply: y belongs to another device", () => device.multiply(x, foreign));
  await assertRejects(async () => await device.read(gone), DeviceError, "read: buffer has been released");
  await assertRejects(async () => await acc.read(), DeviceError, "gram.read: accumulator has been released");
});
