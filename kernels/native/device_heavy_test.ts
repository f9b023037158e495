/** Tests of what only the native device has; the operations are tested in `../device_test.ts`. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { cpuDevice } from "../cpu/device.ts";
import type { Device } from "../device.ts";
import { assertSameBits, Random, testedDevices } from "../conformance/suite.ts";
import { DeviceError } from "../error.ts";
import { nativeDevice } from "./device.ts";

const ignore = !testedDevices.some(({ family }) => family === "native");
const random = new Random(23);

async function linear(device: Device, x: Float32Array, w: Float32Array, [rows, out, inner]: number[]) {
  using input = device.upload(x), weight = device.weight(w, out, inner), y = device.allocate(rows * out);
  device.linear(input, weight, null, y, rows);
  return await device.read(y);
}

/** With the weight as an input instead of a constant, all of these have other bits on some number of threads. */
for (const shape of [[2, 128, 768], [16, 100, 2048], [40, 200, 768], [77, 128, 600], [8, 512, 300]]) {
  Deno.test({
    name: `native: ${shape.join(" x ")} has the same bits on 1, 2, 3 and 8 threads`,
    ignore,
    async fn() {
      const [rows, out, inner] = shape;
      const x = random.normal(rows * inner), w = random.normal(out * inner);
      using one = await nativeDevice({ threads: 1 });
      const expected = await linear(one, x, w, shape);
      for (const threads of [2, 3, 8]) {
        using device = await nativeDevice({ threads });
        assertSameBits(await linear(device, x, w, shape), expected, `${threads} threads`);
      }
    },
  });
}

Deno.test({
  name: "native: buffers are found after the memory has grown, and weights from shared memory",
  ignore,
  async fn() {
    using device = await nativeDevice({ threads: 1 });
    using cpu = await cpuDevice({ threads: 1 });
    const shape = [3, 8, 16], x = random.normal(48), shared = new Float32Array(new SharedArrayBuffer(512));
    shared.set(random.normal(128));
    const expected = await linear(cpu, x, shared, shape);
    const first = await linear(device, x, shared, shape);
    using _large = device.allocate(2 ** 24);
    assertSameBits(await linear(device, x, shared, shape), first, "after growth");
    for (const [i, value] of first.entries()) assert(Math.abs(value - expected[i]) < 1e-5);
  },
});

Deno.test({
  name: "native: without permission for native code the error says so",
  permissions: { ffi: false, read: true, env: true },
  async fn() {
    const error = await assertRejects(() => nativeDevice(), DeviceError, "--allow-ffi");
    assertEquals(error.code, "unavailable");
  },
});
