/**
 * A model as an ONNX graph with a key-value cache, under the names that transformers.js expects: `input_ids`,
 * `attention_mask`, `position_ids`, `past_key_values.N.key` and `.value` go in, `logits` and `present.N.*` come out.
 * Quantized weights become `MatMulNBits` nodes and stay packed.
 */
import { recipeKey } from "./recipe.ts";
import { hasExperts, type LinearRole, type NormNames, tensorName } from "../../model/architecture.ts";
import { seesWindow } from "../../model/decoder.ts";
import type { Model } from "../../model/model.ts";
import { rotaryTable } from "../../model/decoder/rotary.ts";
import { OnnxGraph } from "./onnx/graph.ts";
import { nBitsOf } from "./onnx/weight.ts";
import { UniformWeight } from "../weights/uniform.ts";
import { heldWeightOf } from "../weights/linear.ts";
import { onlinePart } from "./tensors.ts";
import { SchemeError } from "../error.ts";

/**
 * Encodes a model.
 *
 * @throws {SchemeError} `combination` when the model computes something that the graph cannot say
 */
export async function encodeOnnx(model: Model, recipe?: string): Promise<Uint8Array<ArrayBuffer>> {
  requireExportable(model);
  return await new Decoder(model).encode(recipe === undefined ? {} : { [recipeKey]: recipe });
}

function requireExportable(model: Model): void {
  const { architecture, name } = model;
  const { positions, embeddingProjection, windowPositions } = architecture;
  const reason = onlinePart(model) ??
    (hasExperts(architecture, 0)
      ? "it is a mixture of experts"
      : model.architecture.stateSpace
      ? "it is a state-space model"
      : positions.kind === "alibi"
      ? "its positions are biases (ALiBi)"
      : positions.kind === "rotary" && (positions.layout !== "half" || positions.scaling?.kind === "longrope")
      ? "its rotation is interleaved or depends on the length"
      : embeddingProjection || windowPositions
      ? `of the layout of ${architecture.family}`
      : null);
  if (reason !== null) throw new SchemeError("combination", `${name} cannot be exported as ONNX: ${reason}`);
}

class Decoder {
  readonly #graph = new OnnxGraph();

  constructor(private readonly model: Model) {}

  async encode(metadata: Readonly<Record<string, string>>): Promise<Uint8Array<ArrayBuffer>> {
    const graph = this.#graph, { architecture, checkpoint } = this.model;
    const { vocabularySize, hiddenSize, headDim, kvHeads, positions, layers } = architecture;
    graph.input("input_ids", "int64", ["batch", "sequence"]);
    graph.input("attention_mask", "int64", ["batch", "total"]);
    graph.input("position_ids", "int64", ["batch", "sequence"]);
    const cache = (kind: string, i: number, part: string) => `${kind}.${i}.${part}`;
    for (let i = 0; i < layers; i++) {
      for (const part of ["key", "value"]) {
        graph.input(cache("past_key_values", i, part), "float32", ["batch", kvHeads, "past", headDim]);
        graph.output(cache("present", i, part), "float32", ["batch", kvHeads, "total", headDim]);
      }
    }
    const embedding = await this.model.embedding.values();
    const table = graph.constant(architecture.embedding, embedding, [vocabularySize, hiddenSize]);
    let x = graph.node("Gather", [table, "input_ids"]);
    if (architecture.embeddingScale !== undefined) x = this.#scale(x, architecture.embeddingScale);
    if (positions.kind === "learned") {
      const rows = await this.model.positions?.() ?? await checkpoint.tensor(positions.tensor);
      const learned = graph.constant(positions.tensor, rows, [rows.length / hiddenSize, hiddenSize]);
      const places = graph.node("Add", ["position_ids", graph.integers(positions.offset)]);
      x = graph.node("Add", [x, graph.node("Gather", [learned, places])]);
    }
    if (architecture.embeddingNorm) x = await this.#norm(x, architecture.embeddingNorm, 0);
    const masks = { all: this.#mask(undefined), window: this.#mask(architecture.window) };
    for (let i = 0; i < layers; i++) x = await this.#layer(x, i, masks);
    if (architecture.finalNorm) x = await this.#norm(x, architecture.finalNorm, 0);
    x = await this.#head(x, table);
    if (architecture.logitScale !== undefined) x = this.#scale(x, architecture.logitScale);
    if (architecture.logitSoftcap !== undefined) x = this.#softcap(x, architecture.logitSoftcap);
    graph.node("Identity", [x], {}, { as: "logits" });
    graph.output("logits", "float32", ["batch", "sequence", vocabularySize]);
    return graph.encode(metadata);
  }

  async #layer(x: string, i: number, masks: { all: string; window: string }): Promise<string> {
    const graph = this.#graph, { architecture } = this.model;
    const { attentionNorm, mlpNorm, normPlace, parallel, activation } = architecture;
    const enter = (norm: NormNames, states: string) =>
      normPlace === undefined ? this.#norm(states, norm, i) : Promise.resolve(states);
    const join = async (states: string, added: string, block: "attention" | "mlp") => {
      const norm = block === "attention" ? attentionNorm : mlpNorm;
      if (normPlace === "output") added = await this.#norm(added, norm, i);
      if (architecture.outputNorms) added = await this.#norm(added, architecture.outputNorms[block], i);
      if (architecture.residualScale !== undefined) added = this.#scale(added, architecture.residualScale);
      const sum = graph.node("Add", [states, added]);
      return normPlace === "sum" ? await this.#norm(sum, norm, i) : sum;
    };
    const mask = seesWindow(architecture, i) ? masks.window : masks.all;
    const attended = await this.#attention(await enter(attentionNorm, x), i, mask);
    const before = parallel ? x : await join(x, attended, "attention");
    const input = await enter(mlpNorm, before);
    let up = await this.#linear(input, i, "up");
    if (architecture.linears.gate) {
      up = graph.node("Mul", [up, this.#activate(await this.#linear(input, i, "gate"), activation)]);
    } else up = this.#activate(up, activation);
    const fed = await this.#linear(up, i, "down");
    return await join(parallel ? await join(before, attended, "attention") : before, fed, "mlp");
  }

  async #attention(x: string, i: number, mask: string): Promise<string> {
    const graph = this.#graph, { architecture } = this.model;
    const { heads, kvHeads, headDim, headNorms } = architecture;
    const project = async (role: "q" | "k" | "v", count: number) => {
      let y = await this.#linear(x, i, role);
      const norm = role === "v" ? undefined : headNorms?.[role === "q" ? "query" : "key"];
      if (norm && headNorms?.over === "token") y = await this.#norm(y, norm, i);
      if (architecture.clip !== undefined) {
        y = graph.node("Clip", [y, graph.scalar(-architecture.clip), graph.scalar(architecture.clip)]);
      }
      y = graph.node("Reshape", [y, graph.integers(0, 0, count, headDim)]);
      if (norm && headNorms?.over === "head") y = await this.#headNorm(y, norm, i, count);
      if (role !== "v") y = this.#rotate(y, i);
      return graph.node("Transpose", [y], { perm: [0, 2, 1, 3] });
    };
    const query = await project("q", heads);
    const joined = async (role: "k" | "v", part: string) =>
      graph.node("Concat", [`past_key_values.${i}.${part}`, await project(role, kvHeads)], { axis: 2 }, {
        as: `present.${i}.${part}`,
      });
    const key = await joined("k", "key"), value = await joined("v", "value");
    // [batch, kvHeads, heads / kvHeads, sequence, headDim]: the heads of a group share keys and values by broadcasting.
    const grouped = graph.node("Reshape", [query, graph.integers(0, kvHeads, heads / kvHeads, -1, headDim)]);
    const shared = (y: string) => graph.node("Unsqueeze", [y, graph.integers(2)]);
    const turned = graph.node("Transpose", [shared(key)], { perm: [0, 1, 2, 4, 3] });
    let scores = graph.node("MatMul", [grouped, turned]);
    scores = this.#scale(scores, architecture.attentionScale ?? 1 / Math.sqrt(headDim));
    if (architecture.attentionSoftcap !== undefined) {
      scores = this.#softcap(scores, architecture.attentionSoftcap);
    }
    const shares = graph.node("Softmax", [graph.node("Add", [scores, mask])], { axis: -1 });
    const mixed = graph.node("MatMul", [shares, shared(value)]);
    const split = graph.node("Reshape", [mixed, graph.integers(0, heads, -1, headDim)]);
    const flat = graph.node("Transpose", [split], { perm: [0, 2, 1, 3] });
    return await this.#linear(graph.node("Reshape", [flat, graph.integers(0, 0, heads * headDim)]), i, "o");
  }

  /** 0 where a query sees a key and a number that no score comes near elsewhere, `[batch, 1, 1, sequence, total]`. */
  #mask(window: number | undefined): string {
    const graph = this.#graph;
    const size = (name: string) =>
      graph.node("Squeeze", [graph.node("Shape", [name], { start: 1, end: 2 }), graph.integers(0)]);
    const total = size("attention_mask"), past = graph.node("Sub", [total, size("input_ids")]);
    const [zero, one] = [0, 1].map((value) =>
      graph.constant(`int64:${value}`, BigInt64Array.of(BigInt(value)), [])
    );
    const keys = graph.node("Range", [zero, total, one]);
    const queries = graph.node("Unsqueeze", [graph.node("Range", [past, total, one]), graph.integers(1)]);
    let seen = graph.node("LessOrEqual", [keys, queries]);
    if (window !== undefined) {
      const first = graph.node("Sub", [queries, graph.integers(window)]);
      seen = graph.node("And", [seen, graph.node("Greater", [keys, first])]);
    }
    const real = graph.node("Greater", ["attention_mask", zero]);
    const both = graph.node("And", [seen, graph.node("Unsqueeze", [real, graph.integers(1, 2, 3)])]);
    return graph.node("Where", [both, graph.scalar(0), graph.scalar(-1e30)]);
  }

  #rotate(x: string, layer: number): string {
    const graph = this.#graph, { architecture } = this.model;
    const { positions, maxPositions, unrotatedLayers, headDim } = architecture;
    if (positions.kind !== "rotary" || unrotatedLayers?.includes(layer)) return x;
    const { rotaryDim } = positions, half = rotaryDim / 2;
    const table = rotaryTable(positions, maxPositions);
    const at = (name: string, first: number) => {
      const part = new Float32Array(maxPositions * half);
      for (let p = 0; p < maxPositions; p++) {
        part.set(table.subarray(p * rotaryDim + first, p * rotaryDim + first + half), p * half);
      }
      const rows = graph.node("Gather", [graph.constant(name, part, [maxPositions, half]), "position_ids"]);
      return graph.node("Unsqueeze", [rows, graph.integers(2)]);
    };
    const cos = at("rotary.cos", 0), sin = at("rotary.sin", half);
    const slice = (from: number, to: number) =>
      graph.node("Slice", [x, graph.integers(from), graph.integers(to), graph.integers(3)]);
    const a = slice(0, half), b = slice(half, rotaryDim);
    const times = (y: string, z: string) => graph.node("Mul", [y, z]);
    const first = graph.node("Sub", [times(a, cos), times(b, sin)]);
    const second = graph.node("Add", [times(b, cos), times(a, sin)]);
    const rest = rotaryDim < headDim ? [slice(rotaryDim, headDim)] : [];
    return graph.node("Concat", [first, second, ...rest], { axis: 3 });
  }

  async #linear(x: string, layer: number, role: LinearRole): Promise<string> {
    const graph = this.#graph, { model } = this;
    const { name, shape: [out, inputs], values } = model.linear(layer, role);
    const key = `${layer}.${role}`, packed = await heldWeightOf(model, layer, role);
    const blocks = packed instanceof UniformWeight ? nBitsOf(packed) : null;
    let y: string;
    if (packed instanceof UniformWeight && blocks !== null) {
      const { bits, blockSize, codes, scales, zeros } = blocks;
      // The stored columns are the weight's in another order: the input is put in that order.
      if (packed.permutation !== null) {
        const order = graph.constant(`${key}.order`, packed.permutation, [inputs]);
        x = graph.node("Gather", [x, order], { axis: -1 });
      }
      const count = inputs / blockSize;
      y = graph.node(
        "MatMulNBits",
        [
          x,
          graph.constant(`${key}.codes`, codes, [out, count, blockSize * bits / 8]),
          graph.constant(`${key}.scales`, scales, [out, count]),
          graph.constant(`${key}.zeros`, zeros, [out, zeros.length / out]),
        ],
        { K: inputs, N: out, bits, block_size: blockSize },
        { domain: "com.microsoft" },
      );
    } else {
      const weight = graph.constant(`${key}:${name}`, await values(), [out, inputs]);
      y = graph.node("MatMul", [x, graph.node("Transpose", [weight], { perm: [1, 0] })]);
    }
    const bias = await model.bias(layer, role)?.();
    return bias === undefined ? y : graph.node("Add", [y, graph.constant(`${key}.bias`, bias, [out])]);
  }

  async #head(x: string, embedding: string): Promise<string> {
    const graph = this.#graph, { model } = this;
    const { architecture, head } = model;
    // One matrix serves both ends, unless one of them is quantized apart.
    const apart = head.stored !== model.embedding.stored;
    const weight = architecture.head === architecture.embedding && !apart ? embedding : graph.constant(
      apart ? `${architecture.head} (head)` : architecture.head,
      await head.values(),
      head.shape,
    );
    const y = graph.node("MatMul", [x, graph.node("Transpose", [weight], { perm: [1, 0] })]);
    const bias = await model.headBias?.();
    return bias === undefined ? y : graph.node("Add", [y, graph.constant("head.bias", bias, [bias.length])]);
  }

  async #norm(x: string, { weight, bias }: NormNames, layer: number): Promise<string> {
    const { model } = this;
    const name = tensorName(weight, layer), values = await model.vector(name).values();
    const shift = bias === undefined ? null : await model.vector(tensorName(bias, layer)).values();
    return this.#normalize(x, { name, values, shape: [values.length] }, shift);
  }

  async #headNorm(x: string, { weight }: NormNames, layer: number, count: number): Promise<string> {
    const { headDim } = this.model.architecture;
    const name = tensorName(weight, layer), values = await this.model.vector(name).values();
    if (values.length === headDim) return this.#normalize(x, { name, values, shape: [headDim] }, null);
    const ones = { name: "ones", values: new Float32Array(headDim).fill(1), shape: [headDim] };
    const own = this.#graph.constant(name, values, [count, headDim]);
    return this.#graph.node("Mul", [this.#normalize(x, ones, null), own]);
  }

  #normalize(
    x: string,
    weight: { name: string; values: Float32Array; shape: readonly number[] },
    bias: Float32Array | null,
  ): string {
    const graph = this.#graph, { kind, eps } = this.model.architecture.norm;
    const scale = graph.constant(weight.name, weight.values, weight.shape);
    if (kind === "layer") {
      const shift = bias === null ? [] : [graph.constant(`${weight.name}+bias`, bias, weight.shape)];
      return graph.node("LayerNormalization", [x, scale, ...shift], { axis: -1, epsilon: { float: eps } });
    }
    const square = graph.node("ReduceMean", [graph.node("Mul", [x, x]), graph.integers(-1)], { keepdims: 1 });
    const root = graph.node("Sqrt", [graph.node("Add", [square, graph.scalar(eps)])]);
    return graph.node("Mul", [graph.node("Div", [x, root]), scale]);
  }

  #activate(x: string, kind: Model["architecture"]["activation"]): string {
    const graph = this.#graph;
    if (kind === "relu") return graph.node("Relu", [x]);
    if (kind === "silu") return graph.node("Mul", [x, graph.node("Sigmoid", [x])]);
    if (kind === "gelu") {
      const erf = graph.node("Erf", [this.#scale(x, Math.SQRT1_2)]);
      return this.#scale(graph.node("Mul", [x, graph.node("Add", [erf, graph.scalar(1)])]), 0.5);
    }
    // x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), which is GELU's tanh form.
    const cube = graph.node("Mul", [x, graph.node("Mul", [x, x])]);
    const inner = graph.node("Add", [x, this.#scale(cube, 0.044715)]);
    const gate = graph.node("Sigmoid", [this.#scale(inner, 2 * Math.sqrt(2 / Math.PI))]);
    return graph.node("Mul", [x, gate]);
  }

  #scale(x: string, factor: number): string {
    return this.#graph.node("Mul", [x, this.#graph.scalar(factor)]);
  }

  #softcap(x: string, cap: number): string {
    return this.#scale(this.#graph.node("Tanh", [this.#scale(x, 1 / cap)]), cap);
  }
}
