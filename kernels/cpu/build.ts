/** Compiles `assembly/` to `kernels.wasm`: `deno run -A kernels/cpu/build.ts`. */

import { compileAssembly } from "./compile.ts";

/** The compiled kernels. */
export async function buildKernels(): Promise<Uint8Array<ArrayBuffer>> {
  return await compileAssembly(
    new URL("./assembly/index.ts", import.meta.url),
    ...["--enable", "threads", "--enable", "relaxed-simd"],
    ...["--importMemory", "--sharedMemory", "--initialMemory", "1", "--maximumMemory", "65536"],
  );
}

if (import.meta.main) {
  const bytes = await buildKernels();
  await Deno.writeFile(new URL("./kernels.wasm", import.meta.url), bytes);
  console.log(`kernels.wasm: ${bytes.length} bytes`);
}
