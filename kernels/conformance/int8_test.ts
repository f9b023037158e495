/** Tests of the integer products of every device: all have the sums of the plain loops, to the last bit. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Case, Random, testCases, testedDevices } from "./suite.ts";
import { DeviceError } from "../error.ts";
import { exactColumns } from "../host/int8.ts";
import { referenceDevice } from "../reference.ts";

const random = new Random(21);
const int8 = (length: number) => Int8Array.from({ length }, () => Math.floor(256 * random.next()) - 128);

function int8Case([rows, out, inner]: number[], extreme = false): Case {
  const x = int8(rows * inner), codes = int8(out * inner);
  // The largest sums, which neither 16 bits nor a float32 hold.
  if (extreme) x.fill(-128), codes.fill(-128);
  return {
    name: `int8 ${rows} x ${out} x ${inner}${extreme ? ", all -128" : ""}`,
    async run(device) {
      using weight = device.int8Weight(codes, out, inner);
      return Float64Array.from(await weight.product(x, rows));
    },
    bound: "exact",
  };
}

testCases("int8Weight", [
  ...[[1, 1, 1], [3, 5, 7], [65, 67, 129], [2, 100, 1030], [0, 3, 4]].map((shape) => int8Case(shape)),
  int8Case([3, 5, 2 * exactColumns + 37]),
  int8Case([3, 5, 2 * exactColumns + 37], true),
]);

Deno.test("int8Weight: the plain loops sum up in integers", async () => {
  using device = referenceDevice();
  using weight = device.int8Weight(Int8Array.of(1, -2, -128, 127), 2, 2);
  assertEquals(await weight.product(Int8Array.of(3, 4, -128, -128), 2), Int32Array.of(-5, 124, 128, 128));
});

for (const tested of [{ name: "reference", open: () => referenceDevice() }, ...testedDevices]) {
  Deno.test(`int8Weight: misuse names the argument (${tested.name})`, async () => {
    const device = await tested.open();
    const message = "int8Weight: data holds 3 elements: expected 4";
    assertThrows(() => device.int8Weight(new Int8Array(3), 2, 2), DeviceError, message);
    assertThrows(
      () => device.int8Weight(new Int8Array(2 ** 17), 1, 2 ** 17),
      DeviceError,
      "inFeatures is 131072",
    );
    using weight = device.int8Weight(new Int8Array(4), 2, 2);
    const short = "int8Weight.product: x holds 3 elements: expected 4";
    await assertRejects(() => weight.product(new Int8Array(3), 2), DeviceError, short);
  });
}
