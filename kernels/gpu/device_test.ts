/** Tests of what only the GPU device has: adapters, splitting, loss. The operations are tested in `../device_test.ts`. */

import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { assertSameBits, Random } from "../conformance/suite.ts";
import type { Device } from "../device.ts";
import { DeviceError } from "../error.ts";
import { findAdapter, openAdapter } from "./adapter.ts";
import { gpuDevice } from "./device.ts";
import { runGemm } from "./gemm.ts";
import { Recorder } from "./recorder.ts";
import { tilesOf } from "./tiles.ts";

const adapter = await findAdapter();
const ignore = typeof adapter === "string";
if (typeof adapter === "string") console.log(`the GPU device is not tested: ${adapter}`);

const random = new Random(11);
const rows = 200, columns = 256;
const x = random.normal(rows * columns), gain = random.normal(columns), other = random.normal(rows * columns);
const weights = random.normal(300 * columns), offset = random.normal(300);
const packed = {
  outFeatures: 300,
  inFeatures: columns,
  bits: 4,
  groupSize: 64,
  codes: Uint8Array.from({ length: 150 * columns }, () => Math.floor(256 * random.next())),
  scales: random.normal(1200, 0.01),
  zeros: new Uint8Array(1200).fill(8),
};

/** Operations on buffers that a device may have to split. */
const operations: Record<string, (device: Device) => Promise<Float32Array | Float64Array>> = {
  async linear(device) {
    using input = device.upload(x), weight = device.weight(weights, 300, columns);
    using bias = device.upload(offset), y = device.allocate(rows * 300);
    device.linear(input, weight, bias, y, rows);
    return await device.read(y);
  },
  async "linear, one row"(device) {
    using input = device.upload(x), weight = device.weight(weights, 300, columns);
    using bias = device.upload(offset), y = device.allocate(300);
    device.linear(input, weight, bias, y, 1);
    return await device.read(y);
  },
  async "packed linear"(device) {
    using input = device.upload(x), weight = device.packedWeight(packed), y = device.allocate(rows * 300);
    device.linear(input, weight, null, y, rows);
    return await device.read(y);
  },
  async "int8 products"(device) {
    const codes = (length: number) => Int8Array.from({ length }, (_, i) => (i * 73) % 255 - 127);
    using weight = device.int8Weight(codes(300 * 500), 300, 500);
    return Float64Array.from(await weight.product(codes(90 * 500), 90));
  },
  async "norm, activation, sums and products"(device) {
    using input = device.upload(x), weight = device.upload(gain), y = device.allocate(rows * columns);
    using addend = device.upload(other);
    device.rmsNorm(input, weight, y, rows, 1e-5);
    device.activate("silu", y);
    device.add(y, addend);
    device.multiply(y, weight);
    device.logSoftmax(y, y, rows, columns);
    return await device.read(y);
  },
  async rotary(device) {
    using data = device.upload(x), table = device.upload(random.normal((rows + 3) * 32).fill(0.6));
    device.rotary(data, table, {
      tokens: rows,
      heads: 4,
      headDim: 64,
      rotaryDim: 32,
      position: 3,
      layout: "half",
    });
    return await device.read(data);
  },
  async "materialised attention"(device) {
    const shape = { tokens: 45, kvTokens: 61, heads: 9, kvHeads: 3, headDim: 8, scale: 0.3 };
    using q = device.upload(x.slice(0, 45 * 72)), k = device.upload(other.slice(0, 61 * 24));
    using p = device.allocate(9 * 45 * 61), y = device.allocate(45 * 72);
    device.attentionProbabilities(q, k, p, shape);
    device.attentionValues(p, k, y, shape);
    return await device.read(y);
  },
  ...Object.fromEntries((["tensor", "row", "column"] as const).map((axis) => [
    `fakeQuantize of each ${axis}`,
    async (device: Device) => {
      using data = device.upload(x);
      const rule = { bits: 4, mode: "asymmetric", zeroInRange: true } as const;
      device.fakeQuantize(data, data, rule, { rows, columns, axis });
      return await device.read(data);
    },
  ])),
  async columnAbsMax(device) {
    using data = device.upload(x), acc = device.allocate(columns);
    device.columnAbsMax(data, acc, rows);
    return await device.read(acc);
  },
  async gram(device) {
    // 256 rows at a time are bound, whatever the limit.
    using data = device.upload(x), acc = device.gram(columns / 4);
    acc.add(data, 4 * rows);
    return await acc.read();
  },
  async fitBinary(device) {
    const { patterns, alphas } = await device.fitBinary(x, { bits: 3, groupSize: 50, rounds: 2 });
    return Float32Array.of(...alphas, ...patterns);
  },
  async errorPull(device) {
    const factor = Float64Array.from(weights.subarray(0, columns * columns));
    using pull = device.errorPull(factor, Float64Array.from(x), rows);
    return await pull.at(130, 126);
  },
};

Deno.test({
  name: "gpuDevice: buffers larger than a binding are split, and give the same bits",
  ignore,
  async fn() {
    using whole = await gpuDevice(), split = await gpuDevice({ bindingBytes: 64 * 1024 + 12288 });
    for (const [name, run] of Object.entries(operations)) {
      assertSameBits(await run(split), await run(whole), name);
    }
    assertEquals(split.memory.used, 0);
  },
});

Deno.test({
  name: "gpuDevice: what cannot be split says what the limit is",
  ignore,
  async fn() {
    using device = await gpuDevice({ bindingBytes: 4096 });
    using a = device.allocate(2048), b = device.allocate(64), c = device.allocate(2048);
    assertThrows(
      () => device.gemm(a, b, c, { m: 256, n: 8, k: 8 }),
      DeviceError,
      "gemm: a takes 8192 bytes at once: expected at most 4096, the adapter's limit",
    );
    assertThrows(() => device.allocate(2 ** 40), DeviceError, "allocate: a buffer of 4398046511104 bytes");
  },
});

Deno.test({
  name: "gpuDevice: weights in float16 are half as large, rounded to nearest, and exact where they fit",
  ignore,
  async fn() {
    using whole = await gpuDevice(), half = await gpuDevice({ weights: "float16" });
    using split = await gpuDevice({ weights: "float16", bindingBytes: 64 * 1024 });
    const out = 301, inner = 251;
    // Subnormal numbers of float16 among them; float32 kernels on what float16 makes of the values are the oracle.
    const data = weights.slice(0, out * inner).map((value, i) => value * 2 ** -(i % 27));
    const rounded = Float32Array.from(data, Math.f16round);
    for (const count of [1, 4, 9]) {
      const run = async (device: Device, values: Float32Array) => {
        using input = device.upload(x), weight = device.weight(values, out, inner);
        using y = device.allocate(count * out);
        device.linear(input, weight, null, y, count);
        return await device.read(y);
      };
      const expected = await run(whole, rounded);
      assertSameBits(await run(half, data), expected, `${count} rows`);
      assertSameBits(await run(split, data), expected, `${count} rows, split`);
    }
    using small = half.weight(data, out, inner), beyond = half.weight(data.with(5, 65520), out, inner);
    assertEquals([small.byteLength, beyond.byteLength], [304 * inner * 2, 304 * inner * 4]);
    await assertRejects(
      () => gpuDevice({ weights: "half" as "float16" }),
      DeviceError,
      'gpuDevice: weights is "half": expected float32 or float16',
    );
  },
});

Deno.test({
  name: "gpuDevice: after the device is gone, every call says so",
  ignore,
  async fn() {
    const device = await gpuDevice();
    using x = device.upload(new Float32Array([1, 2, 3]));
    assertEquals(await device.read(x), new Float32Array([1, 2, 3]));
    device[Symbol.dispose]();
    const text = "the GPU device has been released";
    await assertRejects(() => device.read(x), DeviceError, text);
    assertThrows(() => device.allocate(1), DeviceError, text);
  },
});

Deno.test({
  name: "Recorder: a GPU that is lost is told apart from one that was given back",
  ignore,
  async fn() {
    const gpu = await openAdapter(await requireAdapter());
    const recorder = new Recorder(gpu);
    const buffer = recorder.temporary(16);
    // Not through the recorder: as far as it knows, the driver took the device away.
    gpu.destroy();
    const error = await assertRejects(() => recorder.read(buffer, 0, 16), DeviceError, "the GPU was lost");
    assertEquals(error.code, "lost");
  },
});

Deno.test({
  name: "findAdapter: OpenGL is not loaded, whose end at exit is not safe beside Deno's threads",
  ignore: ignore || Deno.build.os !== "linux",
  async fn() {
    const url = new URL("./adapter.ts", import.meta.url);
    const code = `import { findAdapter } from "${url}"; await findAdapter();
      const maps = Deno.readTextFileSync("/proc/self/maps");
      console.log(maps.includes("libvulkan"), maps.includes("libEGL"));`;
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", code],
      env: { DENO_WEBGPU_BACKEND: "" },
    }).output();
    assertEquals(new TextDecoder().decode(stdout), "true false\n");
  },
});

async function requireAdapter(): Promise<GPUAdapter> {
  const found = await findAdapter();
  assert(typeof found !== "string");
  return found;
}

Deno.test({
  name: "tilesOf: every tile gives the same bits, fits a workgroup and divides a segment",
  ignore,
  async fn() {
    const gpu = await openAdapter(await requireAdapter()), shape = { m: 70, n: 90, k: 300 };
    const kinds = ["llvmpipe", "anything else"].map((description) => ({ description }) as GPUAdapterInfo);
    const products: Float32Array[] = [];
    for (const { tile } of kinds.flatMap(tilesOf)) {
      assert(128 % tile.depth === 0 && 32 * tile.depth * (2 * tile.lanes + 1) <= 16384, JSON.stringify(tile));
      const recorder = new Recorder(gpu, [{ rows: Infinity, tile }]);
      const [a, b, c] = [70 * 300, 300 * 90, 70 * 90].map((length) => recorder.temporary(4 * length));
      recorder.write(a, 0, x.slice(0, 70 * 300));
      recorder.write(b, 0, weights.slice(0, 300 * 90));
      runGemm(recorder, { buffer: a }, { buffer: b }, { buffer: c }, shape);
      products.push(new Float32Array(await recorder.read(c, 0, 4 * 70 * 90)));
    }
    gpu.destroy();
    assertNotEquals(products[0], new Float32Array(70 * 90));
    for (const product of products) assertSameBits(product, products[0], "tiles");
  },
});
