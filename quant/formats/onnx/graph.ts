/** Builds ONNX models (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto): nodes, initializers, inputs and outputs. */
import { type Bytes, concat, float, integer, message, text } from "../../../base/protobuf.ts";
import { SchemeError } from "../../error.ts";

/** Element types, by their numbers in the format. */
export const onnxTypes = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9 } as const;

/** An attribute: integers are numbers, floats are marked, lists of integers are lists. */
export type Attribute = number | { readonly float: number } | readonly number[];

/** Sizes of an axis: a number, or a name for one that varies. */
export type Axis = number | string;

/** Protocol buffers end at 2 GiB. */
const maxBytes = 2 ** 31 - 1;

/** A graph that is being built; values are named by what computes them. */
export class OnnxGraph {
  readonly #nodes: Bytes[] = [];
  readonly #initializers: Bytes[] = [];
  readonly #inputs: Bytes[] = [];
  readonly #outputs: Bytes[] = [];
  readonly #names = new Set<string>();
  #count = 0;

  /** Declares an input. */
  input(name: string, type: keyof typeof onnxTypes, shape: readonly Axis[]): string {
    this.#inputs.push(valueInfo(name, type, shape));
    return name;
  }

  /** Declares an output, which some node must compute under this name. */
  output(name: string, type: keyof typeof onnxTypes, shape: readonly Axis[]): void {
    this.#outputs.push(valueInfo(name, type, shape));
  }

  /** A constant tensor; the same name twice is the same tensor. */
  constant(
    name: string,
    data: Float32Array | Uint8Array | Int32Array | BigInt64Array,
    shape: readonly number[],
  ): string {
    if (this.#names.has(name)) return name;
    this.#names.add(name);
    const type = data instanceof Float32Array
      ? "float32"
      : data instanceof Uint8Array
      ? "uint8"
      : data instanceof Int32Array
      ? "int32"
      : "int64";
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const dims = shape.map((size) => integer(1, size));
    this.#initializers.push(concat([...dims, integer(2, onnxTypes[type]), text(8, name), message(9, raw)]));
    return name;
  }

  /** A constant vector of int64: shapes, axes, indices. */
  integers(...values: readonly number[]): string {
    return this.constant(`int64[${values}]`, BigInt64Array.from(values, BigInt), [values.length]);
  }

  /** A float32 scalar. */
  scalar(value: number): string {
    return this.constant(`float[${value}]`, Float32Array.of(value), []);
  }

  /** Adds a node with one output, which gets a fresh name unless `as` gives one. */
  node(
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    { as, domain = "" }: { readonly as?: string; readonly domain?: string } = {},
  ): string {
    const output = as ?? `${operator}_${this.#count++}`;
    this.#nodes.push(concat([
      ...inputs.map((name) => text(1, name)),
      text(2, output),
      text(3, `node_${output}`),
      text(4, operator),
      ...Object.entries(attributes).map(([name, value]) => message(5, attribute(name, value))),
      text(7, domain),
    ]));
    return output;
  }

  /**
   * The file's bytes.
   *
   * @throws {SchemeError} code `shape` when they are over the 2 GiB of the format
   */
  encode(metadata: Readonly<Record<string, string>> = {}): Bytes {
    const graph = [
      ...this.#nodes.map((node) => message(1, node)),
      text(2, "decoder"),
      ...this.#initializers.map((one) => message(5, one)),
      ...this.#inputs.map((one) => message(11, one)),
      ...this.#outputs.map((one) => message(12, one)),
    ];
    const size = graph.reduce((sum, part) => sum + part.length, 0);
    if (size > maxBytes) {
      throw new SchemeError("shape", `the ONNX model has ${size} bytes: expected at most ${maxBytes}`);
    }
    const opset = (domain: string, version: number) => message(8, text(1, domain), integer(2, version));
    const header = [integer(1, 10), text(2, "quantbook")];
    const properties = Object.entries(metadata).map(([key, value]) =>
      message(14, text(1, key), text(2, value))
    );
    return concat([
      ...header,
      message(7, ...graph),
      opset("", 21),
      opset("com.microsoft", 1),
      ...properties,
    ]);
  }
}

function valueInfo(name: string, type: keyof typeof onnxTypes, shape: readonly Axis[]): Bytes {
  const axes = shape.map((axis) => message(1, typeof axis === "number" ? integer(1, axis) : text(2, axis)));
  const tensor = message(1, integer(1, onnxTypes[type]), message(2, ...axes));
  return concat([text(1, name), message(2, tensor)]);
}

function attribute(name: string, value: Attribute): Bytes {
  const [float32, int64, int64s] = [1, 2, 7];
  if (typeof value === "number") return concat([text(1, name), integer(3, value), integer(20, int64)]);
  if ("float" in value) return concat([text(1, name), float(2, value.float), integer(20, float32)]);
  return concat([text(1, name), ...value.map((one) => integer(8, one)), integer(20, int64s)]);
}
