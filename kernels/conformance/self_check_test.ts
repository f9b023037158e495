/** The self-check passes on every device, and finds a device that is wrong. */
import { assertEquals } from "@std/assert";
import type { Device } from "../device.ts";
import { referenceDevice } from "../reference.ts";
import { selfCheck } from "../self_check.ts";
import { testedDevices } from "./suite.ts";

for (const tested of testedDevices) {
  Deno.test(`the self-check passes (${tested.name})`, async () => {
    const found = await selfCheck(await tested.open(), referenceDevice());
    assertEquals(found.length, 5);
    assertEquals(found.filter(({ passed }) => !passed), []);
  });
}

/** The twin with one operation done wrong. */
function broken(make: (twin: Device) => Partial<Device>): Device {
  const twin = referenceDevice(), wrong = make(twin);
  return new Proxy(twin, {
    get(target, name) {
      if (Object.hasOwn(wrong, name)) return Reflect.get(wrong, name);
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

Deno.test("the self-check finds what is off by a little, by a NaN, and by a bit", async () => {
  const failed = async (make: (twin: Device) => Partial<Device>) =>
    (await selfCheck(broken(make), referenceDevice())).filter(({ passed }) => !passed).map(({ operation }) =>
      operation
    );
  const off = await failed((twin) => ({
    async read(buffer, offset, length) {
      const values = await twin.read(buffer, offset, length);
      return values.map((value) => value * (1 + 2 ** -12));
    },
  }));
  assertEquals(off.length, 5);
  const rounding = await failed((twin) => ({
    fakeQuantize: (x, y, rule, layout) => twin.fakeQuantize(x, y, { ...rule, bits: 5 }, layout),
  }));
  assertEquals(rounding, ["rounding to integers"]);
  const norm = await failed((twin) => ({
    rmsNorm: (x, weight, y, rows) => twin.rmsNorm(x, weight, y, rows, NaN),
  }));
  assertEquals(norm, ["norm"]);
});
