import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { defaultDevice, openDevice } from "./default.ts";
import { DeviceError } from "./error.ts";

Deno.test("defaultDevice: one device per process", async () => {
  const device = await defaultDevice();
  assertEquals(device.name, Deno.env.get("QUANTBOOK_DEVICE") || "cpu");
  assertStrictEquals(await defaultDevice(), device);
});

Deno.test("openDevice: a name that is not known is an error that says which are", async () => {
  await assertRejects(
    () => openDevice("tpu"),
    DeviceError,
    'unknown device "tpu": expected cpu, gpu or native',
  );
});
