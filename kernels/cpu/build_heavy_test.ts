import { assertEquals } from "@std/assert";
import { buildKernels } from "./build.ts";

Deno.test("kernels.wasm is what the sources in assembly/ compile to", async () => {
  const committed = await Deno.readFile(new URL("./kernels.wasm", import.meta.url));
  const built = await buildKernels();
  assertEquals(built.length, committed.length, "run kernels/cpu/build.ts");
  assertEquals(built.findIndex((byte, i) => byte !== committed[i]), -1, "run kernels/cpu/build.ts");
});
