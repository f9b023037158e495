/** Compiles `assembly.ts` to `peak.wasm`: `deno run -A bench/peak/build.ts`. */

import { compileAssembly } from "../../kernels/cpu/compile.ts";

/** The compiled module. */
export async function buildPeak(): Promise<Uint8Array<ArrayBuffer>> {
  return await compileAssembly(new URL("./assembly.ts", import.meta.url));
}

if (import.meta.main) {
  const bytes = await buildPeak();
  await Deno.writeFile(new URL("./peak.wasm", import.meta.url), bytes);
  console.log(`peak.wasm: ${bytes.length} bytes`);
}
