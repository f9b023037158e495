/** Compiles `assembly/` to `kernels.wasm` and `kernels_plain.wasm`: `deno run -A kernels/cpu/build.ts`. */

import { compileAssembly } from "./compile.ts";

const source = new URL("./assembly/index.ts", import.meta.url);

/** The compiled kernels; the plain ones need neither shared memory nor relaxed SIMD and give the same bits. */
export async function buildKernels(plain = false): Promise<Uint8Array<ArrayBuffer>> {
  const memory = ["--importMemory", "--initialMemory", "1", "--maximumMemory", "65536"];
  if (plain) return await compileAssembly(source, ...memory);
  const features = ["--enable", "threads", "--enable", "relaxed-simd"];
  return await compileAssembly(source, ...features, ...memory, "--sharedMemory");
}

if (import.meta.main) {
  for (const [name, plain] of [["kernels.wasm", false], ["kernels_plain.wasm", true]] as const) {
    const bytes = await buildKernels(plain);
    await Deno.writeFile(new URL(name, import.meta.url), bytes);
    console.log(`${name}: ${bytes.length} bytes`);
  }
}
