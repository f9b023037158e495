/** Dense products in ONNX Runtime: the native code of its Node binding. */

import { DeviceError } from "../error.ts";
import { type Bytes, concat, integer, message, text } from "../../base/protobuf.ts";

/** Float32 values where native code may read and write them. */
export type Floats = Float32Array<ArrayBuffer>;

/** `y = x W^T` with a weight that the runtime holds. */
export interface Product extends Disposable {
  /** `x` `[rows, inFeatures]`, `y` `[rows, outFeatures]`; returns when `y` is written. */
  run(x: Floats, y: Floats, rows: number): void;
}

/** A weight `[outFeatures, inFeatures]`, and how many threads multiply with it. */
export interface ProductShape {
  readonly outFeatures: number;
  readonly inFeatures: number;
  readonly threads: number;
}

/** The loaded runtime. */
export interface Runtime {
  /** Name and version. */
  readonly description: string;
  /** A product with a copy of `weight`. */
  product(weight: Floats, shape: ProductShape): Product;
}

/** The runtime cuts a product for no more threads than this, and each product has threads of its own. */
const mostThreads = 16;

/** What is used of the package: written down here, as types of it would fetch its 288 MB wherever types are checked. */
interface Package {
  readonly Tensor: new (type: "float32", data: Floats, shape: readonly number[]) => unknown;
  readonly env: { readonly versions: { readonly node?: string } };
}

/** What that is built on, which is not part of its interface: the version is pinned. */
interface Binding {
  initOrt(): void;
  readonly binding: { readonly InferenceSession: new () => Session };
}

interface Session {
  loadModel(buffer: ArrayBufferLike, offset: number, length: number, options: object): void;
  run(feeds: object, fetches: object, options: object): void;
  dispose(): void;
}

const version = "1.30.0";

/** A specifier that is made as it is needed, so that nobody fetches the package before. Node has no `npm:`. */
async function load<Module>(path: string): Promise<Module> {
  const name = navigator.userAgent.startsWith("Deno")
    ? `npm:onnxruntime-node@${version}`
    : "onnxruntime-node";
  return await import(name + path);
}

/** Loads the package. Throws a {@linkcode DeviceError} where native code is not permitted or not made for this machine. */
export async function loadRuntime(): Promise<Runtime> {
  const unavailable = (why: unknown, options?: ErrorOptions) =>
    new DeviceError(
      "unavailable",
      `device "native" is not available (${why}): use QUANTBOOK_DEVICE=cpu`,
      options,
    );
  if ((await Deno.permissions.query({ name: "ffi" })).state !== "granted") {
    throw unavailable("it runs native code, which --allow-ffi permits");
  }
  try {
    // The package's own interface makes each run wait for the event loop; what it calls then returns when it is done.
    const [{ binding, initOrt }, { Tensor, env }] = await Promise.all([
      load<Binding>("/dist/binding.js"),
      load<Package>(""),
    ]);
    initOrt();
    return {
      description: `ONNX Runtime ${env.versions.node}`,
      product: (weight, shape) => openProduct(new binding.InferenceSession(), Tensor, weight, shape),
    };
  } catch (cause) {
    throw unavailable(cause, { cause });
  }
}

function openProduct(
  session: Session,
  Tensor: Package["Tensor"],
  weight: Floats,
  shape: ProductShape,
): Product {
  const { buffer, byteOffset, byteLength } = productModel(shape);
  session.loadModel(buffer, byteOffset, byteLength, {
    externalData: [{
      path: "weight",
      data: new Uint8Array(weight.buffer, weight.byteOffset, weight.byteLength),
    }],
    intraOpNumThreads: Math.min(shape.threads, mostThreads),
    interOpNumThreads: 1,
    enableCpuMemArena: false,
    // A thread that spins until the next product keeps a processor from the threads of the other operations.
    extra: { session: { intra_op: { allow_spinning: "0" } } },
  });
  return {
    run(x, y, rows) {
      const feeds = { x: new Tensor("float32", x, [rows, shape.inFeatures]) };
      session.run(feeds, { y: new Tensor("float32", y, [rows, shape.outFeatures]) }, {});
    },
    [Symbol.dispose]: () => session.dispose(),
  };
}

/**
 * The ONNX model (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto) of `y = x W^T`. The weight is a constant and not
 * an input: the runtime lays constants out once, and with that layout the order of its sums does not depend on how rows
 * and columns are cut for threads, which with inputs it does.
 */
function productModel({ outFeatures, inFeatures }: ProductShape): Bytes {
  const float32 = 1, external = 1, attributeInteger = 2;
  const value = (name: string) => concat([text(1, name), message(2, message(1, integer(1, float32)))]);
  const transposed = concat([text(1, "transB"), integer(3, 1), integer(20, attributeInteger)]);
  const node = [text(1, "x"), text(1, "weight"), text(2, "y"), text(4, "Gemm"), message(5, transposed)];
  const entry = (key: string, value: string) => message(13, text(1, key), text(2, value));
  const weight = [
    ...[outFeatures, inFeatures].map((size) => integer(1, size)),
    integer(2, float32),
    text(8, "weight"),
    entry("location", "weight"),
    entry("length", String(4 * outFeatures * inFeatures)),
    integer(14, external),
  ];
  const graph = [
    message(1, ...node),
    text(2, "product"),
    message(5, ...weight),
    message(11, value("x")),
    message(12, value("y")),
  ];
  return concat([integer(1, 10), message(7, ...graph), message(8, text(1, ""), integer(2, 21))]);
}
