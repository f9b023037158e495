/**
 * One decoder layer as a differentiable function: a forward pass that remembers its intermediate values, and the
 * backward pass through it. Matrix products run on the device, everything else on the host.
 *
 * Writing `d<name>` for the gradient of a loss with respect to `<name>`: a linear layer `y = x W^T + b` has
 * `dx = dy W`, `dW = dy^T x`, `db = sum(dy)`; rotary positions are rotated back. Quantizers of a linear layer's input
 * pass gradients through unchanged (straight-through); quantized weights do so when the gradient with respect to them
 * is applied to the weights they were made from.
 */
import type { Device } from "../../kernels/device.ts";
import { rotary } from "../../kernels/host/functions.ts";
import { hadamard } from "../../kernels/host/hadamard.ts";
import {
  type Architecture,
  type InputSite,
  type LinearRole,
  linearRoles,
  linearShape,
  type Positions,
  siteOfRole,
  tensorName,
} from "../../model/architecture.ts";
import type { Model } from "../../model/model.ts";
import type { OnlineRotations } from "../../model/decoder/rotation.ts";
import { rotaryTable } from "../../model/decoder/rotary.ts";
import {
  attentionBackward,
  attentionForward,
  type AttentionGradient,
  type AttentionTape,
  meanMap,
  product,
  type WindowAttention,
} from "./attention.ts";
import { activate, type HostNorm, normBackward, normForward, slopes } from "./derivatives.ts";
import { SchemeError } from "../error.ts";

/** The parameters of a decoder layer on the host: tensors by name, such as `"q"`, `"q.bias"`, `"mlpNorm"`, `"mlpNorm.bias"`. */
export type BlockParameters = ReadonlyMap<string, Float32Array>;

/** Reads the parameters of a layer. */
export async function readBlock(model: Model, layer: number): Promise<Map<string, Float32Array>> {
  const { architecture } = model;
  const parameters = new Map<string, Float32Array>();
  for (const role of linearRoles(architecture)) {
    parameters.set(role, await model.linear(layer, role).values());
    const bias = await model.bias(layer, role)?.();
    if (bias !== undefined) parameters.set(`${role}.bias`, bias);
  }
  for (const norm of ["attentionNorm", "mlpNorm"] as const) {
    const { weight, bias } = architecture[norm];
    parameters.set(norm, await model.vector(tensorName(weight, layer)).values());
    if (bias !== undefined) {
      parameters.set(`${norm}.bias`, await model.vector(tensorName(bias, layer)).values());
    }
  }
  return parameters;
}

/** How a layer is computed. */
export interface BlockOptions {
  /** Default true. */
  readonly causal?: boolean;
  /** Hadamard transforms that the model runs; gradients go through their transposes. */
  readonly rotations?: OnlineRotations;
  /** What a linear layer sees of its input `[rows, columns]`; gradients pass through unchanged. */
  readonly quantizeInput?: (x: Float32Array, columns: number, site: InputSite) => Float32Array;
  /** What attention sees of its keys (positions rotated in) or values; gradients pass through unchanged. */
  readonly quantizeOperand?: (x: Float32Array, operand: "key" | "value") => Float32Array;
  /**
   * Roundings with a derivative of their own, before those above: of inputs of linear layers, and of what attention sees of its queries,
   * keys (positions rotated in) and values. Null leaves them.
   */
  readonly round?: (x: Float32Array, place: InputSite | AttentionOperand, columns: number) => Rounded | null;
}

/** What attention multiplies. */
export type AttentionOperand = "query" | "key" | "value";

/** Rounded values, and the gradient with respect to what was rounded, given theirs. */
export interface Rounded {
  readonly values: Float32Array;
  back(dy: Float32Array): Float32Array;
}

/** The inputs of linear layers in a layer of attention and feed-forward block. */
type BlockSite = "attention" | "output" | "mlp" | "down";

/** What the backward pass needs of the forward pass. All matrices are `[windows * tokens, columns]`. */
export interface BlockTape {
  /** The layer's output. */
  readonly output: Float32Array;
  readonly tokens: number;
  readonly input: Float32Array;
  /** Inputs of the linear layers, as these see them. */
  readonly sites: Readonly<Record<BlockSite, Float32Array>>;
  /** Rotated queries and keys, and values. */
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  /** One per window. */
  readonly attention: readonly AttentionTape[];
  /** After attention, before the feed-forward block. */
  readonly middle: Float32Array;
  readonly gate: Float32Array | null;
  readonly up: Float32Array;
  /** The activation function of `gate` (of `up`, where there is none). */
  readonly active: Float32Array;
  /** Ways back through roundings that have a derivative of their own, by place. */
  readonly back: ReadonlyMap<string, Rounded["back"]>;
}

/** Gradients of a loss. */
export interface BlockGradient {
  readonly input: Float32Array;
  /** Of the outputs of the key projection, before and after positions are rotated in. */
  readonly key: Float32Array;
  readonly rotatedKey: Float32Array;
  readonly value: Float32Array;
  /** By name, as in {@linkcode BlockParameters}; empty unless asked for. */
  readonly parameters: Map<string, Float32Array>;
}

/** A decoder layer with a backward pass. */
export class DifferentiableBlock {
  readonly #options: BlockOptions;
  readonly #tables = new Map<number, Float32Array>();

  constructor(
    private readonly device: Device,
    private readonly architecture: Architecture,
    private readonly parameters: BlockParameters,
    options: BlockOptions = {},
  ) {
    this.#options = options;
  }

  /** Runs windows of `tokens` tokens each through the layer. */
  async forward(input: Float32Array, tokens: number): Promise<BlockTape> {
    const { architecture } = this, backs = new Map<string, Rounded["back"]>();
    const round = (x: Float32Array, name: InputSite | AttentionOperand, columns: number) => {
      const rounded = this.#options.round?.(x, name, columns) ?? null;
      if (rounded !== null) backs.set(name, rounded.back);
      return rounded?.values ?? x;
    };
    const site = (name: InputSite, x: Float32Array, columns: number) => {
      const seen = round(x, name, columns);
      return this.#options.quantizeInput?.(seen, columns, name) ?? seen;
    };
    const { hiddenSize, intermediateSize, heads, headDim } = architecture;
    const attentionInput = site("attention", normForward(this.#norm("attentionNorm"), input), hiddenSize);
    const operand = (x: Float32Array, name: "key" | "value") => {
      const seen = round(x, name, architecture.kvHeads * headDim);
      return this.#options.quantizeOperand?.(seen, name) ?? seen;
    };
    const plain = await this.#linear("q", attentionInput), plainKey = await this.#linear("k", attentionInput);
    const value = operand(await this.#linear("v", attentionInput), "value");
    this.#rotate(plain, tokens, heads, 1);
    this.#rotate(plainKey, tokens, architecture.kvHeads, 1);
    this.#rotateHeads(plain, 1);
    this.#rotateHeads(plainKey, 1);
    const query = round(plain, "query", heads * headDim), key = operand(plainKey, "key");
    const windows = input.length / hiddenSize / tokens;
    const shape = this.#attention(tokens), attention: AttentionTape[] = [];
    const attended = new Float32Array(query.length);
    for (let w = 0; w < windows; w++) {
      const [q, k, v] = [query, key, value].map((x) => part(x, w, windows));
      const tape = await attentionForward(this.device, q, k, v, shape);
      attended.set(tape.output, w * tape.output.length);
      attention.push(tape);
    }
    this.#rotateInput("output", attended, 1);
    const outputInput = site("output", attended, heads * headDim);
    const middle = sum(input, await this.#linear("o", outputInput));
    const mlpInput = site("mlp", normForward(this.#norm("mlpNorm"), middle), hiddenSize);
    const up = await this.#linear("up", mlpInput);
    const gate = architecture.linears.gate ? await this.#linear("gate", mlpInput) : null;
    const active = activate(architecture.activation, gate ?? up);
    const inner = gate === null ? active.slice() : active.map((a, i) => a * up[i]);
    this.#rotateInput("down", inner, 1);
    const downInput = site("down", inner, intermediateSize);
    const output = sum(middle, await this.#linear("down", downInput));
    const sites = { attention: attentionInput, output: outputInput, mlp: mlpInput, down: downInput };
    const back = backs;
    return { output, tokens, input, sites, query, key, value, attention, middle, gate, up, active, back };
  }

  /** Attention probabilities of each window, the mean of all heads `[tokens, tokens]`. */
  maps({ attention, tokens }: BlockTape): Float32Array[] {
    return attention.map((one) => meanMap(one, this.#attention(tokens)));
  }

  /** Gradients, given that of the output, and of the {@linkcode maps} where a loss has them. */
  async backward(
    tape: BlockTape,
    dOutput: Float32Array,
    withParameters = false,
    dMaps: readonly Float32Array[] = [],
  ): Promise<BlockGradient> {
    const { architecture } = this;
    const parameters = new Map<string, Float32Array>();
    const back = async (role: LinearRole, dy: Float32Array) => {
      if (withParameters) {
        await this.#parameterGradient(role, tape.sites[siteOfRole(role) as BlockSite], dy, parameters);
      }
      const [out, inputs] = linearShape(architecture, role);
      const shape = { m: dy.length / out, n: inputs, k: out };
      return await product(this.device, dy, this.#parameter(role), shape);
    };
    const norm = (name: "attentionNorm" | "mlpNorm", x: Float32Array, dy: Float32Array) => {
      const gradient = normBackward(this.#norm(name), x, dy);
      if (withParameters) {
        parameters.set(name, gradient.weight);
        if (gradient.bias !== null) parameters.set(`${name}.bias`, gradient.bias);
      }
      return gradient.input;
    };
    const through = (place: InputSite | AttentionOperand, dy: Float32Array) =>
      tape.back.get(place)?.(dy) ?? dy;
    const dInner = through("down", await back("down", dOutput));
    this.#rotateInput("down", dInner, -1);
    const { dUp, dGate } = this.#activationGradient(tape, dInner);
    const dMlp = await back("up", dUp);
    const dMlpInput = through("mlp", dGate === null ? dMlp : sum(dMlp, await back("gate", dGate)));
    const dMiddle = sum(dOutput, norm("mlpNorm", tape.middle, dMlpInput));
    const dAttended = through("output", await back("o", dMiddle));
    this.#rotateInput("output", dAttended, -1);
    const raw = await this.#attentionGradient(tape, dAttended, dMaps);
    const query = through("query", raw.query), key = through("key", raw.key);
    const value = through("value", raw.value);
    const rotatedKey = key.slice();
    this.#rotateHeads(query, -1);
    this.#rotateHeads(key, -1);
    this.#rotate(query, tape.tokens, architecture.heads, -1);
    this.#rotate(key, tape.tokens, architecture.kvHeads, -1);
    const dNormed = sum(await back("q", query), sum(await back("k", key), await back("v", value)));
    const dAttention = through("attention", dNormed);
    const input = sum(dMiddle, norm("attentionNorm", tape.input, dAttention));
    return { input, key, rotatedKey, value, parameters };
  }

  #activationGradient(
    { gate, up, active }: BlockTape,
    dInner: Float32Array,
  ): { dUp: Float32Array; dGate: Float32Array | null } {
    const { activation } = this.architecture;
    const slope = slopes[activation];
    const dUp = new Float32Array(up.length);
    if (gate === null) {
      for (let i = 0; i < up.length; i++) dUp[i] = dInner[i] * slope(up[i]);
      return { dUp, dGate: null };
    }
    const dGate = new Float32Array(up.length);
    for (let i = 0; i < up.length; i++) {
      dUp[i] = dInner[i] * active[i];
      dGate[i] = dInner[i] * up[i] * slope(gate[i]);
    }
    return { dUp, dGate };
  }

  async #attentionGradient(
    tape: BlockTape,
    dAttended: Float32Array,
    dMaps: readonly Float32Array[],
  ): Promise<AttentionGradient> {
    const { tokens, query, key, value, attention } = tape;
    const shape = this.#attention(tokens);
    const gradient = {
      query: new Float32Array(query.length),
      key: new Float32Array(key.length),
      value: new Float32Array(value.length),
    };
    for (const [w, one] of attention.entries()) {
      const [q, k, v, d] = [query, key, value, dAttended].map((x) => part(x, w, attention.length));
      const own = await attentionBackward(this.device, q, k, v, one, d, shape, dMaps[w]);
      for (const name of ["query", "key", "value"] as const) {
        gradient[name].set(own[name], w * own[name].length);
      }
    }
    return gradient;
  }

  async #parameterGradient(
    role: LinearRole,
    x: Float32Array,
    dy: Float32Array,
    into: Map<string, Float32Array>,
  ): Promise<void> {
    const [out, inputs] = linearShape(this.architecture, role);
    const shape = { m: out, n: inputs, k: dy.length / out, transposeA: true };
    into.set(role, await product(this.device, dy, x, shape));
    if (!this.parameters.has(`${role}.bias`)) return;
    const bias = new Float64Array(out);
    for (let i = 0; i < dy.length; i++) bias[i % out] += dy[i];
    into.set(`${role}.bias`, Float32Array.from(bias));
  }

  async #linear(role: LinearRole, x: Float32Array): Promise<Float32Array> {
    const [out, inputs] = linearShape(this.architecture, role);
    const shape = { m: x.length / inputs, n: out, k: inputs, transposeB: true };
    const y = await product(this.device, x, this.#parameter(role), shape);
    const bias = this.parameters.get(`${role}.bias`);
    if (bias !== undefined) { for (let i = 0; i < y.length; i++) y[i] += bias[i % out]; }
    return y;
  }

  #parameter(name: string): Float32Array {
    const found = this.parameters.get(name);
    if (found === undefined) throw new SchemeError("shape", `the layer has no parameter ${name}`);
    return found;
  }

  #norm(name: "attentionNorm" | "mlpNorm"): HostNorm {
    const bias = this.parameters.get(`${name}.bias`) ?? null;
    return { ...this.architecture.norm, weight: this.#parameter(name), bias };
  }

  #attention(tokens: number): WindowAttention {
    const { heads, kvHeads, headDim } = this.architecture;
    return { tokens, heads, kvHeads, headDim, causal: this.#options.causal ?? true };
  }

  /** The transforms that run before a site's linear layers, or (direction -1) their transposes. */
  #rotateInput(site: "output" | "down", x: Float32Array, direction: 1 | -1): void {
    const { heads, headDim, intermediateSize } = this.architecture, { rotations = {} } = this.#options;
    const transposed = direction < 0;
    if (site === "output" && rotations.heads) {
      hadamard(x, { rows: x.length / (heads * headDim), size: heads, stride: headDim, transposed });
    }
    if (site === "down" && rotations.down) {
      hadamard(x, { rows: x.length / intermediateSize, size: intermediateSize, transposed });
    }
  }

  #rotateHeads(x: Float32Array, direction: 1 | -1): void {
    const { headDim } = this.architecture;
    if (!this.#options.rotations?.keys) return;
    hadamard(x, { rows: x.length / headDim, size: headDim, transposed: direction < 0 });
  }

  /** Turning back is turning by the negative angle: the second half of each position's row holds the sines. */
  #table(positions: Positions & { kind: "rotary" }, tokens: number, direction: 1 | -1): Float32Array {
    const found = this.#tables.get(direction * tokens);
    if (found !== undefined) return found;
    const { rotaryDim } = positions;
    const table = rotaryTable(positions, tokens);
    for (let i = 0; i < table.length; i++) if (i % rotaryDim >= rotaryDim / 2) table[i] *= direction;
    this.#tables.set(direction * tokens, table);
    return table;
  }

  /** Rotates positions into each window of `x`, or (direction -1) out of it. */
  #rotate(x: Float32Array, tokens: number, heads: number, direction: 1 | -1): void {
    const { positions, headDim } = this.architecture;
    if (positions.kind !== "rotary") return;
    const { rotaryDim, layout } = positions;
    const table = this.#table(positions, tokens, direction);
    const windows = x.length / (tokens * heads * headDim);
    for (let w = 0; w < windows; w++) {
      rotary(part(x, w, windows), table, { tokens, heads, headDim, rotaryDim, position: 0, layout });
    }
  }
}

/** The values of one of `windows` equal parts. */
function part(x: Float32Array, window: number, windows: number): Float32Array {
  const length = x.length / windows;
  return x.subarray(window * length, (window + 1) * length);
}

function sum(x: Float32Array, y: Float32Array): Float32Array {
  const z = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) z[i] = x[i] + y[i];
  return z;
}
