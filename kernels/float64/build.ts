/** Compiles `assembly.ts` to `float64.wasm`: `deno run -A kernels/float64/build.ts`. The same source gives the same bytes. */

/** The compiled kernel. */
export async function buildFloat64(): Promise<Uint8Array<ArrayBuffer>> {
  const output = await Deno.makeTempFile({ suffix: ".wasm" });
  const source = decodeURIComponent(new URL("./assembly.ts", import.meta.url).pathname);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "npm:assemblyscript@0.28.20/asc", source, "--outFile", output],
      ...["-O3", "--noAssert", "--runtime", "stub", "--disableWarning", "112"],
      ...["--enable", "simd", "--initialMemory", "16", "--maximumMemory", "16"],
    ],
  }).output();
  try {
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return await Deno.readFile(output);
  } finally {
    await Deno.remove(output);
  }
}

if (import.meta.main) {
  const bytes = await buildFloat64();
  await Deno.writeFile(new URL("./float64.wasm", import.meta.url), bytes);
  console.log(`float64.wasm: ${bytes.length} bytes`);
}
