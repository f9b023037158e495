/** OpenBLAS through Deno's foreign function interface: the yardstick for matrix products on a CPU, when installed. */

/** Shape of a linear layer. */
export interface LinearShape {
  readonly rows: number;
  readonly out: number;
  readonly inner: number;
}

/** `cblas_sgemm` of a library on this machine. */
export interface OpenBlas extends Disposable {
  /** What `openblas_get_config` says: version, kernels of the processor. */
  readonly description: string;
  setThreads(threads: number): void;
  /** `y[rows, out] = x[rows, inner] w[out, inner]^T`. */
  linear(
    x: Float32Array,
    w: Float32Array,
    y: Float32Array,
    shape: LinearShape,
  ): void;
}

const symbols = {
  openblas_set_num_threads: { parameters: ["i32"], result: "void" },
  openblas_get_config: { parameters: [], result: "pointer" },
  cblas_sgemm: {
    parameters: [
      ...["i32", "i32", "i32", "i32", "i32", "i32", "f32"] as const,
      ...["buffer", "i32", "buffer", "i32", "f32", "buffer", "i32"] as const,
    ],
    result: "void",
  },
} as const;

/** The values of CBLAS's enumerations. */
const rowMajor = 101, noTranspose = 111, transpose = 112;

/** Opens the library (Debian: `libopenblas0-pthread`); null where there is none. */
export function openOpenBlas(): OpenBlas | null {
  const library = openLibrary();
  if (library === null) return null;
  const { cblas_sgemm, openblas_get_config, openblas_set_num_threads } = library.symbols;
  const config = openblas_get_config();
  return {
    description: config === null ? "OpenBLAS" : Deno.UnsafePointerView.getCString(config),
    setThreads: (threads) => openblas_set_num_threads(threads),
    linear(x, w, y, { rows, out, inner }) {
      const operands = [bytes(x), inner, bytes(w), inner, 0, bytes(y), out] as const;
      cblas_sgemm(rowMajor, noTranspose, transpose, rows, out, inner, 1, ...operands);
    },
    [Symbol.dispose]: () => library.close(),
  };
}

function openLibrary() {
  for (const name of ["libopenblas.so.0", "libopenblas.so", "libopenblas.dylib", "libopenblas.dll"]) {
    try {
      return Deno.dlopen(name, symbols);
    } catch {
      // Not under this name.
    }
  }
  return null;
}

function bytes(data: Float32Array): Uint8Array<ArrayBuffer> {
  if (!(data.buffer instanceof ArrayBuffer)) throw new TypeError("expected unshared memory");
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
