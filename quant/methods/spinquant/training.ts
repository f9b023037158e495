/**
 * SpinQuant's rotations learnt (section 3.2): the cross-entropy of the model with rounded activations and cache, its weights in full
 * precision, is descended over orthogonal matrices; rounding lets gradients through.
 */
import { cos } from "../../../base/elementary.ts";
import type { Finished } from "../../resumption/finished.ts";
import { PythonRandom, TorchRandom } from "../../../base/random.ts";
import { fakeQuantizeValue, uniformQuantizer } from "../../../kernels/quantizer.ts";
import type { Model } from "../../../model/model.ts";
import { SchemeError } from "../../error.ts";
import { product } from "../../gradients/attention.ts";
import { type BlockOptions, DifferentiableBlock, readBlock } from "../../gradients/block.ts";
import { CayleySgd } from "../../gradients/cayley.ts";
import { lossOf } from "../../gradients/loss.ts";
import { rotateModel } from "../../transforms/rotate_model.ts";
import { hadamardRotation, type Rotation } from "../../transforms/rotation.ts";
import { RotatedLayer, type RotationGradients } from "./parameters.ts";

/** Learnt or drawn rotations, row-major. */
export interface SpinRotations {
  /** `R1`, of hidden states `[hidden, hidden]`. */
  readonly hidden: Float64Array;
  /** `R2`, of the values of each layer's heads `[headDim, headDim]`. */
  readonly values: readonly Float64Array[];
}

/** How rotations are learnt. */
export interface SpinTraining {
  /** Seed of the first rotations and of the optimizer's draws. */
  readonly seed: number;
  /** Steps of the optimizer. */
  readonly steps: number;
  /** At the first step; it falls to 0 along a cosine. */
  readonly learningRate: number;
  /** Windows of a step, in the order in which they are given, again and again. */
  readonly batch: number;
  /** Bits of activations and of keys and values while learning; 16 leaves them alone. */
  readonly activationBits: number;
  /** Of keys and values. */
  readonly cacheBits: number;
  /** Largest norm of all gradients together; null for any. */
  readonly gradientNorm: number | null;
  /** Whether the down projection's input turns. */
  readonly down: boolean;
  /** Whether queries and keys turn. */
  readonly keys: boolean;
}

/** What {@linkcode learnRotations} found. */
export interface LearntRotations extends SpinRotations {
  /** Loss before each step, in nats. */
  readonly losses: readonly number[];
}

/** Random Hadamard matrices, drawn as the original code draws them: hidden states first, then layer by layer. */
export function drawRotations(
  { architecture: { hiddenSize, headDim, layers } }: Model,
  seed: number,
): SpinRotations {
  const random = new TorchRandom(seed);
  const draw = (size: number) => matrixOf(hadamardRotation(size, random.signs(size)));
  const hidden = draw(hiddenSize);
  return { hidden, values: Array.from({ length: layers }, () => draw(headDim)) };
}

/** The values of a rotation: what it makes of the identity. */
function matrixOf(rotation: Rotation): Float64Array {
  const { size } = rotation, matrix = new Float64Array(size * size);
  for (let i = 0; i < size; i++) matrix[i * size + i] = 1;
  rotation.apply(matrix, size);
  return matrix;
}

/** Descends from the drawn rotations. */
export async function learnRotations(
  model: Model,
  windows: readonly Int32Array[],
  training: SpinTraining,
  progress: (message: string) => void = () => {},
  finished: Finished | null = null,
): Promise<LearntRotations> {
  const { steps, batch, learningRate, gradientNorm, seed } = training;
  if (windows.length < batch) {
    throw new SchemeError(
      "calibration",
      `spinquant has ${windows.length} calibration windows: expected at least ${batch} (batch)`,
    );
  }
  const rotations = drawRotations(model, seed), matrices = [rotations.hidden, ...rotations.values];
  const random = new PythonRandom(seed),
    optimizer = new CayleySgd(matrices, { random }),
    losses: number[] = [];
  const before = await finished?.read("steps") as LearntRotations | undefined;
  if (before !== undefined) {
    for (const [i, matrix] of [before.hidden, ...before.values].entries()) matrices[i].set(matrix);
    losses.push(...before.losses);
    // The optimizer draws once for each matrix and step.
    for (let i = 0; i < losses.length * matrices.length; i++) random.randint(1, 101);
  }
  using trainee = await Trainee.of(model, training);
  for (let step = losses.length; step < steps; step++) {
    const chosen = Array.from({ length: batch }, (_, i) => windows[(step * batch + i) % windows.length]);
    const { loss, gradients } = await trainee.gradients(rotations, chosen);
    losses.push(loss);
    clip(gradients, gradientNorm);
    optimizer.step(gradients, learningRate / 2 * (1 + cos(Math.PI * step / steps)));
    await finished?.write("steps", { ...rotations, losses });
    progress(`spinquant step ${step + 1} of ${steps}: loss ${loss.toFixed(4)}`);
  }
  return { ...rotations, losses };
}

function clip(gradients: readonly Float64Array[], most: number | null): void {
  const squares = gradients.reduce((sum, one) => one.reduce((part, value) => part + value * value, sum), 0);
  if (most === null || Math.sqrt(squares) <= most) return;
  const factor = most / (Math.sqrt(squares) + 1e-6);
  for (const one of gradients) for (let i = 0; i < one.length; i++) one[i] *= factor;
}

/** A model with its norms fused and its online rotations, ready for rotations of hidden states and values. */
export class Trainee implements Disposable {
  private constructor(private readonly base: Model, private readonly options: BlockOptions) {}

  /** Fuses a model. */
  static async of(
    model: Model,
    training: Omit<SpinTraining, "steps" | "learningRate" | "batch" | "seed" | "gradientNorm">,
  ): Promise<Trainee> {
    const identity: Rotation = { size: model.architecture.hiddenSize, apply() {} };
    const online = { down: training.down, keys: training.keys };
    const base = await rotateModel(
      model,
      { method: "spinquant", hidden: identity, values: null, online },
      "spinquant",
    );
    const { headDim } = model.architecture, { activationBits, cacheBits } = training;
    return new Trainee(base, {
      rotations: online,
      quantizeInput: (x, columns, site) =>
        roundGroups(x, activationBits, site === "output" ? headDim : columns, site !== "output"),
      quantizeOperand: (x, operand) => roundGroups(x, cacheBits, headDim, operand === "key"),
    });
  }

  /** The mean loss of windows, and its gradients with respect to `R1` and the `R2` of each layer. */
  async gradients(
    rotations: SpinRotations,
    windows: readonly Int32Array[],
  ): Promise<{ loss: number; gradients: Float64Array[] }> {
    const { device, architecture } = this.base, { hiddenSize: n, layers } = architecture;
    const hidden = Float32Array.from(rotations.hidden);
    const gradients = [rotations.hidden, ...rotations.values].map(({ length }) => new Float64Array(length));
    const turned: RotatedLayer[] = [], blocks: DifferentiableBlock[] = [];
    for (let layer = 0; layer < layers; layer++) {
      const values = Float32Array.from(rotations.values[layer]);
      turned.push(
        new RotatedLayer(device, architecture, await readBlock(this.base, layer), { hidden, values }),
      );
      blocks.push(
        new DifferentiableBlock(device, architecture, await turned[layer].parameters(), this.options),
      );
    }
    const plain = await this.base.head.values();
    const head = await product(device, plain, hidden, { m: plain.length / n, n, k: n });
    let loss = 0;
    for (const ids of windows) {
      using embedded = await this.base.embed(ids);
      const rows = ids.length,
        embedding = await device.read(embedded),
        inner = { m: n, n, k: rows, transposeA: true };
      let states = await product(device, embedding, hidden, { m: rows, n, k: n });
      const tapes = [];
      for (const block of blocks) {
        tapes.push(await block.forward(states, rows));
        states = tapes[tapes.length - 1].output;
      }
      const top = await lossOf(this.base, ids, states, head);
      loss += top.loss / windows.length;
      // Of the head W R: R (dStates^T states).
      const weighted = await product(device, top.dStates, top.states, inner);
      add(gradients[0], await product(device, hidden, weighted, { m: n, n, k: n }), windows.length);
      let upstream = top.hidden;
      for (let layer = layers - 1; layer >= 0; layer--) {
        const { input, parameters } = await blocks[layer].backward(tapes[layer], upstream, true);
        const into: RotationGradients = {
          hidden: new Float64Array(n * n),
          values: new Float64Array(gradients[layer + 1].length),
        };
        await turned[layer].backward(parameters, into);
        add(gradients[0], into.hidden, windows.length);
        if (into.values !== null) add(gradients[layer + 1], into.values, windows.length);
        upstream = input;
      }
      add(gradients[0], await product(device, embedding, upstream, inner), windows.length);
    }
    return { loss, gradients };
  }

  [Symbol.dispose](): void {
    this.base[Symbol.dispose]();
  }
}

function add(sum: Float64Array, one: Float32Array | Float64Array, count: number): void {
  for (let i = 0; i < sum.length; i++) sum[i] += one[i] / count;
}

/** Rounds groups of neighbours to the codes of their range; `zeroInRange` widens it to hold 0, as ranges of whole tokens do. */
function roundGroups(x: Float32Array, bits: number, size: number, zeroInRange: boolean): Float32Array {
  if (bits === 16) return x;
  const rounded = new Float32Array(x.length);
  for (let start = 0; start < x.length; start += size) {
    let least = Infinity, most = -Infinity;
    for (let i = start; i < start + size; i++) {
      least = Math.min(least, x[i]);
      most = Math.max(most, x[i]);
    }
    const quantizer = uniformQuantizer(least, most, { bits, mode: "asymmetric", zeroInRange });
    for (let i = start; i < start + size; i++) rounded[i] = fakeQuantizeValue(x[i], quantizer);
  }
  return rounded;
}
