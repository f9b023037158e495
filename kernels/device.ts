/**
 * The only interface between arithmetic and everything else.
 *
 * A device owns float32 buffers and runs operations on them. Operations are enqueued synchronously and
 * their results are read asynchronously, so that the same caller drives a CPU (which computes at once) and a
 * GPU (which computes later). All matrices are row-major; a row of activations is one token.
 * Reductions have a fixed order on every device: the same input gives the same bits whatever the thread count.
 */
import type { BinaryFit, BinaryRule, PackedCodes, QuantizeLayout, UniformRule } from "./codes.ts";

/** Float32 values that live on a device. Release them with `using` or `[Symbol.dispose]()`. */
export interface DeviceBuffer extends Disposable {
  /** Number of float32 elements. */
  readonly length: number;
}

/** The weight `[outFeatures, inFeatures]` of a linear layer, in the layout that its device multiplies fastest. */
export interface DeviceWeight extends Disposable {
  /** Rows of the weight: features that come out. */
  readonly outFeatures: number;
  /** Columns of the weight: features that go in. */
  readonly inFeatures: number;
  /** Bytes that the weight occupies on the device. */
  readonly byteLength: number;
}

/** The codes of an int8 weight on a device, for products that do not round: what LLM.int8() runs on. */
export interface DeviceInt8Weight extends Disposable {
  /** Rows of the weight. */
  readonly outFeatures: number;
  /** Columns of the weight. */
  readonly inFeatures: number;
  /** Bytes that the weight occupies on the device. */
  readonly byteLength: number;
  /** The integer sums `[rows, outFeatures]` of products with the codes `x` `[rows, inFeatures]`, the same on all devices. */
  product(x: Int8Array, rows: number): Promise<Int32Array>;
}

/** A `[columns, columns]` matrix `x^T x`, summed in float64 over all the rows added so far (Hessians, covariances). */
export interface DeviceGram extends Disposable {
  /** Columns of the matrices that are added: rows and columns of the sum. */
  readonly columns: number;
  /** Adds `x^T x` of the `[rows, columns]` matrix `x`: float32 sums over at most 256 rows, float64 from there on. */
  add(x: DeviceBuffer, rows: number): void;
  /** A copy of the symmetric matrix, after all work enqueued before has finished. */
  read(): Promise<Float64Array>;
}

/**
 * The errors of columns that are quantized one after the other, as they pull at the columns that follow: the update
 * across blocks of GPTQ, in float64 or nearly so. Made by {@linkcode Device.errorPull}.
 */
export interface DevicePull extends Disposable {
  /**
   * `-sum_{i < first} errors[i, r] factor[i, first + j]` as `[count, rows]`, once the errors of the columns before
   * `first` are final. Calls go from left to right; the result is valid until the next one.
   */
  at(first: number, count: number): Promise<Float64Array>;
}

/**
 * Element-wise activation functions; `gelu` is the exact (erf) form, `geluTanh` its tanh approximation, `softplus`
 * `log(1 + exp(x))`.
 */
export type Activation = "relu" | "silu" | "gelu" | "geluTanh" | "softplus";

/** Shape of causal grouped-query attention. Query `i` sits at position `kvTokens - tokens + i`. */
export interface AttentionShape {
  /** Number of query tokens. */
  readonly tokens: number;
  /** Number of key and value tokens, the query tokens included. */
  readonly kvTokens: number;
  /** Heads of the queries: a multiple of `kvHeads`. */
  readonly heads: number;
  /** Heads of the keys and values. */
  readonly kvHeads: number;
  /** Dimensions of a head. */
  readonly headDim: number;
  /** Factor of the scores, usually `1 / sqrt(headDim)`. */
  readonly scale: number;
  /** A query sees only this many last positions (its own included), when given. */
  readonly window?: number;
  /** Scores become `softcap * tanh(score / softcap)` before the mask, when given (Gemma 2). */
  readonly softcap?: number;
  /**
   * One slope per head for linear position biases (ALiBi, Bloom), when given: after scale and softcap, the score of
   * the key at position `j` gains `slope * (j - position of the query)`.
   */
  readonly slopes?: DeviceBuffer;
}

/** Keys or values of one layer of a cache: the oldest tokens in packed groups, the newest as they are (KIVI). */
export interface PackedTokens {
  /** Bits of a code: 1 to 8. */
  readonly bits: number;
  /** Values that share a scale and a minimum: `x = scale * code + minimum`. */
  readonly groupSize: number;
  /**
   * What a group runs along: consecutive tokens of one `channel` (group `g` of the `width` channels of its tokens), or
   * consecutive channels of one `token`.
   */
  readonly axis: "channel" | "token";
  /** Tokens `[0, quantized)` are codes. */
  readonly quantized: number;
  /** Bits of uint32 words, as many for each group: code `i` at bit `bits * (i mod n)` of word `i / n`, `n = 32 / bits`. */
  readonly words: DeviceBuffer;
  /** `[groups, 2]`: scale and minimum. */
  readonly ranges: DeviceBuffer;
  /** `[recentTokens, width]`: token `t` that is not packed is row `t mod recentTokens`. */
  readonly recent: DeviceBuffer;
  /** Rows of `recent`. */
  readonly recentTokens: number;
}

/** Rows of codes into a codebook, `x = codebook[code] * range + center` (KVQuant), but where a value stands apart. */
export interface CodedRows {
  /** Bits of a code: 1 to 8. */
  readonly bits: number;
  /** Values of a row. */
  readonly width: number;
  /** Bits of uint32 words, as many for each row: code `j` at bit `bits * (j mod n)` of word `j / n`, `n = 32 / bits`. */
  readonly words: DeviceBuffer;
  /** `[2^bits]`: what a code stands for. */
  readonly codebook: DeviceBuffer;
  /** Center and range, `[rows, 2]` where each row has its own, else `[width, 2]`. */
  readonly scales: DeviceBuffer;
  /** Whether each row has its own center and range. */
  readonly perRow: boolean;
  /** Bits of uint32: the entries of row `t` are `starts[t]` to `starts[t + 1]`. */
  readonly starts: DeviceBuffer;
  /** Of each entry the column, as bits of uint32, and the value. */
  readonly entries: DeviceBuffer;
}

/** Rotary position embedding of a `[tokens, heads * headDim]` matrix. */
export interface RotaryShape {
  /** Rows of the matrix. */
  readonly tokens: number;
  /** Heads in a row. */
  readonly heads: number;
  /** Dimensions of a head. */
  readonly headDim: number;
  /** Leading dimensions of each head that are rotated (`headDim` when all are). */
  readonly rotaryDim: number;
  /** Position of the first row. */
  readonly position: number;
  /** `half`: pairs `(i, i + rotaryDim / 2)` (Llama); `interleaved`: pairs `(2i, 2i + 1)` (GPT-J). */
  readonly layout: "half" | "interleaved";
}

/** Hadamard transforms of the vectors of a `[rows, size, stride]` array, along its middle axis. */
export interface HadamardShape {
  /** Blocks of `size * stride` elements. */
  readonly rows: number;
  /** Length of the vectors that are transformed: any, see `hadamardPlan` in `host/hadamard.ts`. */
  readonly size: number;
  /** Distance of a vector's elements; 1 when absent. */
  readonly stride?: number;
  /** By the transposed matrix, which is the inverse; it differs only where the size is no power of two. */
  readonly transposed?: boolean;
}

/** A convolution over the tokens of each channel by itself. */
export interface ConvolutionShape {
  /** Rows that come out. */
  readonly tokens: number;
  /** Columns: each has taps of its own. */
  readonly channels: number;
  /** Rows of the input that one row of the output sees: the row of its own token last. */
  readonly taps: number;
}

/** The selective scan of a state-space layer (Mamba, Gu and Dao, 2023, section 3.3). */
export interface ScanShape {
  /** Rows of the sequence. */
  readonly tokens: number;
  /** Channels, each with a state of its own. */
  readonly channels: number;
  /** Numbers of a channel's state. */
  readonly states: number;
}

/** What a scan reads: `x` and `step` `[tokens, channels]`, `input` and `output` `[tokens, states]`. */
export interface ScanOperands {
  /** The sequence, `x`. */
  readonly x: DeviceBuffer;
  /** Step widths, positive: the paper's Delta. */
  readonly step: DeviceBuffer;
  /** How `x` enters the states: B. */
  readonly input: DeviceBuffer;
  /** How the states are read: C. */
  readonly output: DeviceBuffer;
  /** `[channels, states]`, negative: A. */
  readonly decay: DeviceBuffer;
  /** `[channels]`: D, the factor of what goes past the states. */
  readonly skip: DeviceBuffer;
}

/** `c = alpha * op(a) * op(b) + beta * c` with `op(a)` `[m, k]` and `op(b)` `[k, n]`. */
export interface GemmShape {
  /** Rows of `op(a)` and `c`. */
  readonly m: number;
  /** Columns of `op(b)` and `c`. */
  readonly n: number;
  /** Columns of `op(a)`, rows of `op(b)`: the length of the sums. */
  readonly k: number;
  /** `a` is stored as `[k, m]`. */
  readonly transposeA?: boolean;
  /** `b` is stored as `[n, k]`. */
  readonly transposeB?: boolean;
  /** Factor of the product, 1 by default. */
  readonly alpha?: number;
  /** Factor of the old `c`, 0 by default. */
  readonly beta?: number;
}

/** A place where tensors live and operations run. Create one with `cpuDevice()` or take `defaultDevice()`. */
export interface Device extends Disposable {
  /** `cpu`, `gpu`, `native` or `reference`. */
  readonly name: string;
  /** What the device is, for provenance lines: instruction set, adapter, threads. */
  readonly description: string;
  /** Threads that compute. */
  readonly threads: number;
  /** Bytes held by live buffers and weights now, and the most that were held at once. */
  readonly memory: { readonly used: number; readonly peak: number };

  // ---- memory -------------------------------------------------------------------------------------------
  /** A buffer of `length` zeros. */
  allocate(length: number): DeviceBuffer;
  /** A new buffer with a copy of `data`. */
  upload(data: Float32Array): DeviceBuffer;
  /** Overwrites elements `[offset, offset + data.length)` of a buffer. */
  write(buffer: DeviceBuffer, data: Float32Array, offset?: number): void;
  /** A copy of `length` elements from `offset`, after all work enqueued before has finished. */
  read(buffer: DeviceBuffer, offset?: number, length?: number): Promise<Float32Array>;
  /** Copies `length` elements between (not overlapping parts of) buffers. */
  copy(from: DeviceBuffer, fromOffset: number, to: DeviceBuffer, toOffset: number, length: number): void;

  // ---- linear algebra -----------------------------------------------------------------------------------
  /** Lays a dense weight `[outFeatures, inFeatures]` out for {@linkcode Device.linear}. */
  weight(data: Float32Array, outFeatures: number, inFeatures: number): DeviceWeight;
  /**
   * A weight of packed codes for {@linkcode Device.linear}, which gives the bits that it gives with the same values as a
   * dense weight. With few rows, as in decoding, a device may multiply the codes themselves, and it may add the products
   * of outliers at the end: not the same bits, but within the bounds of a sum in float32 and of inputs that are off by 2^-23
   * of the largest among 128 columns. Devices that have kernels for it hold the packed codes, others the values.
   */
  packedWeight(packed: PackedCodes): DeviceWeight;
  /** `y = x W^T + bias`: `x` `[rows, inFeatures]`, `y` `[rows, outFeatures]`. */
  linear(
    x: DeviceBuffer,
    weight: DeviceWeight,
    bias: DeviceBuffer | null,
    y: DeviceBuffer,
    rows: number,
  ): void;
  /** Lays int8 codes `[outFeatures, inFeatures]` out for integer products; at most 131071 columns, which int32 can sum. */
  int8Weight(codes: Int8Array, outFeatures: number, inFeatures: number): DeviceInt8Weight;
  /** General matrix product of two buffers; with `beta` 0 (the default) the old content of `c` is ignored. */
  gemm(a: DeviceBuffer, b: DeviceBuffer, c: DeviceBuffer, shape: GemmShape): void;

  // ---- the decoder's operations -------------------------------------------------------------------------
  /** `y = x / sqrt(mean(x^2) + eps) * weight` for each row; `weight` gives the row length. */
  rmsNorm(x: DeviceBuffer, weight: DeviceBuffer, y: DeviceBuffer, rows: number, eps: number): void;
  /** `y = (x - mean) / sqrt(variance + eps) * weight + bias` for each row. */
  layerNorm(
    x: DeviceBuffer,
    weight: DeviceBuffer,
    bias: DeviceBuffer | null,
    y: DeviceBuffer,
    rows: number,
    eps: number,
  ): void;
  /**
   * Rotates `x` in place. `table` is `[positions, rotaryDim]`: for each position `rotaryDim / 2` cosines, then as
   * many sines.
   */
  rotary(x: DeviceBuffer, table: DeviceBuffer, shape: RotaryShape): void;
  /**
   * `x = H x / sqrt(size)` in place, for each vector: an orthogonal rotation that spreads an outlier over all elements (QuaRot). `size` is
   * `K 2^m` with a Hadamard matrix of order `K` known by formula; a size that none reaches falls into blocks of a power of two. The same
   * bits on every device, but where a GPU flushes subnormal values.
   */
  hadamard(x: DeviceBuffer, shape: HadamardShape): void;
  /** Softmax attention: `q` and `y` `[tokens, heads * headDim]`, `k` and `v` `[>= kvTokens, kvHeads * headDim]`. */
  attention(q: DeviceBuffer, k: DeviceBuffer, v: DeviceBuffer, y: DeviceBuffer, shape: AttentionShape): void;
  /** Attention of one query over packed keys and values, which it decodes as it reads them; no slopes. */
  packedAttention(
    q: DeviceBuffer,
    keys: PackedTokens,
    values: PackedTokens,
    y: DeviceBuffer,
    shape: AttentionShape,
  ): void;
  /** The first half of attention, materialised: causal probabilities `[heads, tokens, kvTokens]`, 0 where masked. */
  attentionProbabilities(q: DeviceBuffer, k: DeviceBuffer, p: DeviceBuffer, shape: AttentionShape): void;
  /** The second half: `y = p v` from materialised probabilities, summed over the keys that the query sees. */
  attentionValues(p: DeviceBuffer, v: DeviceBuffer, y: DeviceBuffer, shape: AttentionShape): void;
  /** `y[t, c] = bias[c] + sum_k kernel[k, c] x[t + k, c]`: `x` `[tokens + taps - 1, channels]` begins with the rows before the first token. */
  shortConvolution(
    x: DeviceBuffer,
    kernel: DeviceBuffer,
    bias: DeviceBuffer | null,
    y: DeviceBuffer,
    shape: ConvolutionShape,
  ): void;
  /**
   * `h = exp(step A) h + step B x` and `y = C h + D x` for one token after the other; `state` `[channels, states]` holds `h` before and
   * after. Channels are computed each by itself and a state is summed in a fixed order, so threads change no bit.
   */
  scan(operands: ScanOperands, state: DeviceBuffer, y: DeviceBuffer, shape: ScanShape): void;
  /** `y` `[rows, count]` = columns `[first, first + count)` of `x` `[rows, x.length / rows]`. */
  takeColumns(x: DeviceBuffer, y: DeviceBuffer, rows: number, first: number, count: number): void;
  /** `x = f(x)` in place. */
  activate(kind: Activation, x: DeviceBuffer): void;
  /** `x = x + y` in place; a shorter `y` (a bias row) repeats. */
  add(x: DeviceBuffer, y: DeviceBuffer): void;
  /** `x = x * y` in place; a shorter `y` repeats. */
  multiply(x: DeviceBuffer, y: DeviceBuffer): void;
  /** `y = log softmax(x)` for each row of `columns`. `x` and `y` may be the same buffer. */
  logSoftmax(x: DeviceBuffer, y: DeviceBuffer, rows: number, columns: number): void;

  /** Decodes rows `[first, first + count)` into `y` `[count, width]`: the same bits on every device. */
  decode(rows: CodedRows, y: DeviceBuffer, first: number, count: number): void;

  // ---- quantization -------------------------------------------------------------------------------------
  /**
   * Quantizes and dequantizes: `y = x^`. Ranges are taken from `x` itself. `x` and `y` may be the same buffer.
   * All devices give the same bits (`quantizer.ts` has the arithmetic). A NaN or an infinity makes its whole range NaN.
   */
  fakeQuantize(x: DeviceBuffer, y: DeviceBuffer, rule: UniformRule, layout: QuantizeLayout): void;
  /**
   * Binary codes of groups of weights (`binary_fit.ts` has the method): float32 but for sums, which are rounded to
   * float32 once. All devices give the same bits but where a sum lies within 2^-40 of the middle of two floats, or
   * something is subnormal.
   */
  fitBinary(weights: Float32Array, rule: BinaryRule): Promise<BinaryFit>;
  /** `acc[j] = max(acc[j], max_i |x[i, j]|)`: the calibration scan of SmoothQuant; `acc` gives the row length. */
  columnAbsMax(x: DeviceBuffer, acc: DeviceBuffer, rows: number): void;
  /** An accumulator of `x^T x` for matrices of `columns` columns, zero at first: the Hessian of GPTQ and SpQR. */
  gram(columns: number): DeviceGram;
  /**
   * What `errors` `[columns, rows]`, filled in from the first column on, do to later columns through the upper triangular
   * `factor` `[columns, columns]`. Both are read when the pull is asked for.
   */
  errorPull(factor: Float64Array, errors: Float64Array, rows: number): DevicePull;
}
