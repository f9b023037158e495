/** Weights as codes into a table, one scale per block: floats of few bits, NF4. */
import type { TableCodes } from "../../kernels/codes.ts";
import { tableValues } from "../../kernels/host/table.ts";
import type { StoredWeight } from "../../model/decoder/parameter.ts";
import { packBits, unpackBits } from "../grids/bits.ts";
import { type BlockRule, encodeBlocks, type EncodedBlocks } from "../grids/blocks.ts";

/** Parts of a {@linkcode TableWeight}. */
export interface TableParts {
  /** Rows and columns of the weight. */
  readonly shape: readonly [out: number, inputs: number];
  /** Bits of a code: 1 to 8. */
  readonly bits: number;
  /** `[2^bits]`: what codes stand for. Part of the format, not of the weight: its bytes do not count. */
  readonly values: Float32Array;
  /** Rows and columns that share a scale; the last block may be cut off. */
  readonly block: readonly [rows: number, columns: number];
  /** `[out, in]` as a bit stream: code `i` starts at bit `i * bits`. */
  readonly packed: Uint8Array;
  /** `[ceil(out / block rows), ceil(in / block columns)]`: float32, or bytes. */
  readonly scales: Float32Array | Uint8Array;
  /** `[256]`: what the bytes of scales stand for, that of the tensor included. */
  readonly scaleValues?: Float32Array;
  /** What the scales of blocks were multiplied by before they became bytes: stored as float32, and already undone in `scaleValues`. */
  readonly globalScale?: number;
  /** Bytes that scales take, where they are stored otherwise. */
  readonly scaleBytes?: number;
}

/** `w = values[code] * scale`, rounded to float32. */
export class TableWeight implements StoredWeight {
  readonly shape: readonly [number, number];

  /** Takes the parts as they are, without a copy. */
  constructor(private readonly parts: TableParts) {
    this.shape = parts.shape;
  }

  /** Bits of a code. */
  get bits(): number {
    return this.parts.bits;
  }

  /** What codes stand for. */
  get values(): Float32Array {
    return this.parts.values;
  }

  /** Rows and columns that share a scale, at most those of the weight. */
  get block(): readonly [rows: number, columns: number] {
    const { shape, block } = this.parts;
    return [Math.min(block[0], shape[0]), Math.min(block[1], shape[1])];
  }

  /** By rows of blocks: float32, or bytes into `scaleValues`. */
  get scales(): Float32Array | Uint8Array {
    return this.parts.scales;
  }

  /** What the bytes of scales stand for; null where scales are float32. */
  get scaleValues(): Float32Array | null {
    return this.parts.scaleValues ?? null;
  }

  /** What the scales of blocks were multiplied by before they became bytes, where the tensor has such a scale, else null. */
  get globalScale(): number | null {
    return this.parts.globalScale ?? null;
  }

  get byteLength(): number {
    const { packed, scales, scaleBytes = scales.byteLength, globalScale } = this.parts;
    return packed.byteLength + scaleBytes + (globalScale === undefined ? 0 : 4);
  }

  /** Codes `[out, in]` as a bit stream: code `i` starts at bit `i * bits`. */
  get packed(): Uint8Array {
    return this.parts.packed;
  }

  /** Codes `[out, in]`. */
  codes(): Uint8Array {
    return unpackBits(this.parts.packed, this.bits, this.shape[0] * this.shape[1]);
  }

  /** The same codes with float32 scales that are stored in so many bytes. */
  withScales(scales: Float32Array, scaleBytes: number): TableWeight {
    const { scaleValues: _, ...parts } = this.parts;
    return new TableWeight({ ...parts, scales, scaleBytes });
  }

  /** The weight as kernels take it; codes and scales are shared, not copied. */
  pack(): TableCodes {
    const { shape: [outFeatures, inFeatures], bits, values, block, scales, scaleValues } = this;
    const codes = { outFeatures, inFeatures, bits, values, block, codes: this.parts.packed, scales };
    return scaleValues === null ? codes : { ...codes, scaleValues };
  }

  dequantize(): Float32Array {
    return tableValues(this.pack());
  }
}

/** A weight quantized by a rule. */
export function tableWeight(
  { rows, columns, data }: { readonly rows: number; readonly columns: number; readonly data: Float32Array },
  rule: BlockRule,
): TableWeight {
  return tableOf([rows, columns], rule, encodeBlocks(data, { rows, columns }, rule));
}

/** A weight of codes and scales that a rule gave. */
export function tableOf(
  shape: readonly [out: number, inputs: number],
  { bits, values, block, scaleValues, globalScale }: BlockRule,
  { codes, scales }: EncodedBlocks,
): TableWeight {
  return new TableWeight({
    shape,
    bits,
    values,
    block,
    packed: packBits(codes, bits),
    scales,
    ...scaleValues && { scaleValues },
    ...globalScale !== undefined && { globalScale },
  });
}
