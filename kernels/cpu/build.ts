/** Compiles `assembly/` to `kernels.wasm`: `deno run -A kernels/cpu/build.ts`. The same source gives the same bytes. */

/** The compiled kernels. */
export async function buildKernels(): Promise<Uint8Array<ArrayBuffer>> {
  const output = await Deno.makeTempFile({ suffix: ".wasm" });
  const source = decodeURIComponent(new URL("./assembly/index.ts", import.meta.url).pathname);
  // A child process, as the compiler's own optimizer leaves timers behind.
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "npm:assemblyscript@0.28.20/asc", source, "--outFile", output],
      ...["-O3", "--noAssert", "--runtime", "stub", "--disableWarning", "112"],
      ...["--enable", "simd", "--enable", "threads"],
      ...["--importMemory", "--sharedMemory", "--initialMemory", "1", "--maximumMemory", "65536"],
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
  const bytes = await buildKernels();
  await Deno.writeFile(new URL("./kernels.wasm", import.meta.url), bytes);
  console.log(`kernels.wasm: ${bytes.length} bytes`);
}
