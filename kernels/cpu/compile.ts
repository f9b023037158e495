/** The AssemblyScript compiler, for the WebAssembly kernels. The same source gives the same bytes. */
import { pathOf } from "../../base/file.ts";

/** Of the packages that are too large for every checkout. */
const lock = pathOf(new URL("../../heavy.lock", import.meta.url));

/** Compiles a module to SIMD WebAssembly; `options` are more arguments of `asc`. */
export async function compileAssembly(source: URL, ...options: string[]): Promise<Uint8Array<ArrayBuffer>> {
  const output = await Deno.makeTempFile({ suffix: ".wasm" });
  // A child process, as the compiler's own optimizer leaves timers behind.
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...[
        "run",
        "-A",
        `--lock=${lock}`,
        "npm:assemblyscript@0.28.20/asc",
        pathOf(source),
      ],
      ...["--outFile", output, "-O3", "--noAssert", "--runtime", "stub", "--disableWarning", "112"],
      ...["--enable", "simd", ...options],
    ],
  }).output();
  try {
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return await Deno.readFile(output);
  } finally {
    await Deno.remove(output);
  }
}
