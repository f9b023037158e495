/** Tests of the Hadamard transform: within the bound of its additions of the plain product, and the same bits on all devices. */

import { assertEquals, assertThrows } from "@std/assert";
import type { HadamardShape } from "../device.ts";
import { DeviceError } from "../error.ts";
import { hadamardPlan } from "../host/hadamard.ts";
import { referenceDevice } from "../reference.ts";
import { type Case, gamma, Random, testCases, testedDevices } from "./suite.ts";

const random = new Random(41);

interface Sample {
  readonly shape: HadamardShape;
  readonly data: Float32Array;
}

function sample(rows: number, size: number, stride?: number, transposed?: boolean): Sample {
  const shape = { rows, size, ...stride && { stride }, ...transposed && { transposed } };
  return { shape, data: random.normal(rows * size * (stride ?? 1)) };
}

const samples = [
  sample(3, 1),
  sample(5, 8),
  sample(2, 512),
  sample(70, 64),
  sample(1, 8192),
  sample(3, 4, 64),
  sample(2, 8, 70),
  sample(2, 12, 5),
  sample(3, 768),
  sample(3, 768, undefined, true),
  sample(2, 576),
  sample(1, 688),
  sample(2, 52, 3, true),
  sample(4, 3, 8),
  sample(0, 16),
];

function hadamardCase({ shape, data }: Sample): Case {
  const { size, stride = 1 } = shape, { order, doubled } = hadamardPlan(size);
  const additions = Math.log2(doubled) + order + 2;
  return {
    name: `hadamard ${shape.rows} x ${size} x ${stride}${shape.transposed ? ", transposed" : ""}`,
    async run(device) {
      using x = device.upload(data);
      device.hadamard(x, shape);
      return await device.read(x);
    },
    // Sums of |x| over the vector bound all that is added up; the factor is rounded, and so is the product with it.
    bound(i) {
      const row = Math.floor(i / (size * stride)), inner = i % stride;
      let sum = 0;
      for (let j = 0; j < size; j++) sum += Math.abs(data[(row * size + j) * stride + inner]);
      return gamma(additions) * sum / Math.sqrt(order * doubled);
    },
  };
}

testCases("hadamard", samples.map(hadamardCase));

for (const tested of testedDevices.slice(1)) {
  Deno.test(`hadamard: the bits of ${testedDevices[0].name} (${tested.name})`, async () => {
    const [first, device] = [await testedDevices[0].open(), await tested.open()];
    for (const one of samples.map(hadamardCase)) {
      assertEquals(await one.run(device), await one.run(first), one.name);
    }
  });
}

for (const tested of [{ name: "reference", open: () => referenceDevice() }, ...testedDevices]) {
  Deno.test(`hadamard: what is known exactly, and misuse (${tested.name})`, async () => {
    const device = await tested.open();
    const run = async (values: number[], shape: HadamardShape) => {
      using x = device.upload(Float32Array.from(values));
      device.hadamard(x, shape);
      return Array.from(await device.read(x));
    };
    // One outlier is spread evenly over all elements, and a second transform gathers it again.
    assertEquals(await run([0, 8, 0, 0], { rows: 1, size: 4 }), [4, -4, 4, -4]);
    assertEquals(await run([4, -4, 4, -4], { rows: 1, size: 4 }), [0, 8, 0, 0]);
    // Across two heads of two dimensions; three elements fall into blocks of one.
    assertEquals(
      (await run([1, 2, 3, 4, 1, 0, 0, 1], { rows: 1, size: 4, stride: 2 })).map((x) => 2 * x),
      [5, 7, -1, -3, 3, 5, -3, -1],
    );
    assertEquals(await run([1, 2, 3], { rows: 1, size: 3 }), [1, 2, 3]);
    // A transform and its transpose are inverse: with order 12 and power 4 the factor is not exact.
    const values = [...random.normal(48)];
    const back = await run(await run(values, { rows: 1, size: 48 }), { rows: 1, size: 48, transposed: true });
    assertEquals(back.map((x, i) => Math.abs(x - values[i]) < 1e-5), values.map(() => true));
    using x = device.allocate(6);
    const refuses = (message: string, shape: HadamardShape) =>
      assertThrows(() => device.hadamard(x, shape), DeviceError, `hadamard: ${message}`);
    refuses("x holds 6 elements: expected at least 8", { rows: 2, size: 4 });
    refuses("size is 0: expected an integer, 1 or more", { rows: 1, size: 0 });
    refuses("stride is 0.5: expected an integer, 1 or more", { rows: 1, size: 2, stride: 0.5 });
  });
}
