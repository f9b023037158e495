import { assertEquals } from "@std/assert";
import { buildKernels } from "./build.ts";

for (const [name, plain] of [["kernels.wasm", false], ["kernels_plain.wasm", true]] as const) {
  Deno.test(`${name} is what the sources in assembly/ compile to`, async () => {
    const committed = await Deno.readFile(new URL(name, import.meta.url));
    const built = await buildKernels(plain);
    assertEquals(built.length, committed.length, "run kernels/cpu/build.ts");
    assertEquals(built.findIndex((byte, i) => byte !== committed[i]), -1, "run kernels/cpu/build.ts");
  });
}
