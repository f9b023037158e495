/**
 * LLM-FP4 (FPQ): floats of few bits for weights and activations, whose formats and exponent biases are searched layer by layer.
 *
 * Source: Liu et al., "LLM-FP4: 4-Bit Floating-Point Quantized Transformers", EMNLP 2023 (arXiv 2310.16836), sections 3 and 4. With E bits of
 * exponent, M of mantissa and a real bias b,
 *
 *     x^ = s round(x / s),   s = 2^(max(1, floor(log2 |x| + b)) - M - b),   |x^| <= (2 - 2^-M) 2^(2^E - 1 - b)
 *
 * Weights have a bias per row. An input has one bias `rho`, and each of its channels an integer beside it, which a product shifts into
 * exponents of the weights (pre-shifted exponent bias). Candidates are `gamma` times the bias that covers the largest magnitude, `gamma` from
 * 0.01 to 1.2; what decides is the squared error of the layer's output on float inputs.
 */
import type { Device, DeviceBuffer } from "../../kernels/device.ts";
import { layerRoles, siteOfRole } from "../../model/architecture.ts";
import { denseLinear, type Linear, Parameter, type StoredWeight } from "../../model/decoder/parameter.ts";
import { linearKey, type Table } from "../../model/decoder/parameters.ts";
import type { Model } from "../../model/model.ts";
import { SchemeError } from "../error.ts";
import type { Matrix, MethodWith, ModelMethod } from "../method.ts";
import {
  integer,
  number,
  oneOf,
  optional,
  type OptionTable,
  readOptions,
  refused,
  type SuiteScheme,
} from "../options.ts";
import { biasOf, bitsOf, type FloatShape, floatWeight, roundColumns } from "./llmfp4/format.ts";
import { visitInputs } from "./llmfp4/inputs.ts";
import {
  appliedShape,
  type InputFit,
  rowMaxima,
  searchLinear,
  searchRows,
  type SearchRule,
  type WeightFit,
} from "./llmfp4/search.ts";
import { WideFloatWeight } from "./llmfp4/wide.ts";

/** LLM-FP4 as data; it owns the products of linear layers, as layers that read one input may round it to different formats. */
export interface LlmFp4 extends SuiteScheme {
  /** Tag of the method. */
  readonly method: "llmFp4";
  /** Bits of weights, 3 to 8. */
  readonly bits: number;
  /** Bits of activations, 3 to 8. */
  readonly activationBits: number;
  /** Bits of the embedding, 3 to 8; the output projection then is a linear layer like the others. Both stay float where it is absent. */
  readonly embeddingBits?: number;
  /** A bias for each channel of an input (`"channel"`: FPQ), one bias (`"tensor"`: FPQ baseline), or no search (`"none"`: MinMax). */
  readonly search: "channel" | "tensor" | "none";
  /** How often weights and activations are searched in turn. */
  readonly rounds: number;
  /** Candidates of a bias. */
  readonly steps: number;
  /** The first candidate's factor. */
  readonly from: number;
  /** The factor that the candidates come up to but do not reach. */
  readonly to: number;
  /** Bits of the exponent of weights before the search, or without one; absent: 2 of up to 6 bits, 4 of 7 and 8. */
  readonly exponentBits?: number;
  /** The same of activations; the embedding starts from its own bits' default. */
  readonly activationExponentBits?: number;
  /** Tokens of each calibration window that are used, from its start; all where it is absent. */
  readonly tokens?: number;
  /**
   * `"original"` repeats two faults of the original code, after which values take more bits than were asked for: formats with a mantissa are
   * applied with one number past their largest (17 values of 4 bits), and those found for 8-bit activations or an 8-bit embedding with two
   * bits of exponent more than they were searched with.
   */
  readonly arithmetic: "paper" | "original";
}

/** Options of {@linkcode llmFp4}. */
export type LlmFp4Options = Partial<Omit<LlmFp4, "method">>;

/** What {@linkcode llmFp4} accepts; rounds, steps and their range are the paper's. */
export const llmFp4Options: OptionTable<LlmFp4> = {
  bits: integer(3, 8, 4),
  activationBits: integer(3, 8, 4),
  embeddingBits: optional(integer(3, 8)),
  search: oneOf(["channel", "tensor", "none"], "channel"),
  rounds: integer(1, 100, 3),
  steps: integer(1, 1000, 100),
  from: number(0, 10, 0.01),
  to: number(0, 10, 1.2),
  exponentBits: optional(integer(1, 7)),
  activationExponentBits: optional(integer(1, 7)),
  tokens: optional(integer(1, 1 << 20)),
  arithmetic: oneOf(["paper", "original"], "paper"),
};

/**
 * Searched floats for weights and activations.
 *
 * @throws {SchemeError} `option` for values out of range, and for more bits of exponent than a format has
 *
 * @example
 * ```ts
 * import { llmFp4, type Scheme } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const scheme = { linears: llmFp4({ bits: 4, activationBits: 8 }) } satisfies Scheme;
 * assertEquals([scheme.linears.search, scheme.linears.rounds], ["channel", 3]);
 * ```
 */
export function llmFp4(options: LlmFp4Options = {}): LlmFp4 {
  const scheme = readOptions<LlmFp4>("llmFp4", llmFp4Options, options);
  const { bits, activationBits, exponentBits, activationExponentBits, from, to } = scheme;
  const fits = (name: string, value: number | undefined, most: number) => {
    if (value !== undefined && value > most) throw refused(name, value, `at most ${most}, beside a sign`);
  };
  fits("exponentBits", exponentBits, bits - 1);
  fits("activationExponentBits", activationExponentBits, activationBits - 1);
  if (from >= to) throw refused("from", from, `less than to, which is ${to}`);
  return scheme;
}

/** The format before a search. */
function startOf(bits: number, past: boolean, exponent = bits <= 6 ? 2 : 4): FloatShape {
  return { exponent, mantissa: bits - 1 - exponent, ...past && { past } };
}

/** What is searched, for {@linkcode searchLinear}. */
export function searchRuleOf(scheme: LlmFp4): SearchRule {
  const { bits, activationBits, search, rounds, steps, from, to } = scheme;
  const original = scheme.arithmetic === "original";
  return {
    bits,
    activationBits,
    search,
    rounds,
    original,
    weightStart: startOf(bits, original, scheme.exponentBits),
    activationStart: startOf(activationBits, original, scheme.activationExponentBits),
    factors: Float32Array.from({ length: steps }, (_, i) => from + i * (to - from) / steps),
  };
}

/** A linear layer that reads a rounded copy of its input. */
class RoundedInputLinear implements Linear {
  constructor(
    private readonly device: Device,
    private readonly inner: Linear,
    private readonly input: InputFit,
  ) {}

  get byteLength(): number {
    return this.inner.byteLength;
  }

  async run(x: DeviceBuffer, y: DeviceBuffer, rows: number): Promise<void> {
    const { shape, biases } = this.input, columns = biases.length;
    const data = await this.device.read(x, 0, rows * columns);
    roundColumns({ rows, columns, data }, shape, biases, data);
    using rounded = this.device.upload(data);
    await this.inner.run(rounded, y, rows);
  }

  [Symbol.dispose](): void {
    this.inner[Symbol.dispose]();
  }
}

const linears: ModelMethod<LlmFp4> = {
  async apply(model, scheme, context) {
    const { device, architecture } = model, rule = searchRuleOf(scheme);
    const windows = context.calibration("llmFp4").map((ids) => ids.subarray(0, scheme.tokens ?? ids.length));
    const replaced = new Map<string, Parameter<Linear>>();
    let head: Parameter<Linear> | undefined;
    const searched = async (
      one: Parameter<Linear>,
      x: Matrix | undefined,
      bias: (() => Promise<Float32Array>) | null,
    ) => {
      if (x === undefined) throw new SchemeError("calibration", `llmFp4: no inputs were seen of ${one.name}`);
      const [rows, columns] = one.shape, weight = { rows, columns, data: await one.values() };
      const search = () => searchLinear(device, weight, x, rule), { finished } = context;
      const fit = await (finished === null ? search() : finished.step(one.name, search));
      context.progress(`llmFp4 ${one.name}`);
      const stored = storedFloats(weight, fit.weight);
      const values = () => Promise.resolve(stored.dequantize());
      const dense = () => denseLinear(device, one.name, stored.shape, values, bias, stored).load();
      const build = async () => new RoundedInputLinear(device, await dense(), fit.input);
      return new Parameter<Linear>(one.name, one.shape, values, build, stored);
    };
    await visitInputs(model, windows, scheme.embeddingBits !== undefined, async (layer, inputs) => {
      if (layer === null) {
        head = await searched(model.head, inputs.get("head"), model.headBias);
        return;
      }
      for (const role of layerRoles(architecture, layer)) {
        const x = inputs.get(siteOfRole(role));
        replaced.set(
          linearKey(layer, role),
          await searched(model.linear(layer, role), x, model.bias(layer, role)),
        );
      }
    });
    const embedding = scheme.embeddingBits === undefined
      ? undefined
      : await quantizedEmbedding(model, scheme, scheme.embeddingBits, rule);
    return model.with({
      linears: replaced,
      ...head && { head },
      ...embedding && { embedding },
      change: scheme,
    });
  },
};

/** A rounded matrix: packed codes, where the format is one of at most 8 bits and has no number past its largest. */
function storedFloats(matrix: Matrix, { shape, biases }: WeightFit): StoredWeight {
  return shape.past || bitsOf(shape) > 8
    ? new WideFloatWeight(matrix, shape, biases)
    : floatWeight(matrix, shape, biases);
}

/** The embedding: a bias for each row, or one for all where nothing is searched. */
async function quantizedEmbedding(
  { embedding: { name, shape: [rows, columns], values } }: Model,
  { search }: LlmFp4,
  bits: number,
  { factors, original }: SearchRule,
): Promise<Table> {
  const table = { rows, columns, data: await values() };
  const start = startOf(bits, original), most = rowMaxima(table).reduce((a, b) => Math.max(a, b), 0);
  const fit = search === "none"
    ? { shape: start, biases: new Float32Array(rows).fill(biasOf(most, start)) }
    : searchRows(table, bits, factors);
  const shape = original && search !== "none" ? appliedShape(fit.shape, bits) : fit.shape;
  const stored = storedFloats(table, { ...fit, shape });
  let found: Float32Array | undefined;
  return {
    name,
    shape: [rows, columns],
    stored,
    values: () => Promise.resolve(found ??= stored.dequantize()),
  };
}

/** LLM-FP4, for the registry. */
export const llmFp4Method: MethodWith<{ linears: ModelMethod<LlmFp4> }> = {
  name: "llmFp4",
  paper: {
    title: "LLM-FP4: 4-Bit Floating-Point Quantized Transformers",
    authors: "Liu et al. 2023",
    link: "https://arxiv.org/abs/2310.16836",
  },
  options: llmFp4Options,
  parse: (options) => llmFp4(options),
  cost: { calibrates: true, passes: ({ rounds, steps }: LlmFp4) => 6 * rounds * steps },
  linears,
};
