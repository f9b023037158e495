/**
 * SpinQuant (Liu et al., ICLR 2025): rotations as QuaRot's, but those of hidden states (`R1`) and of the values of each layer's heads (`R2`)
 * are learnt, because random ones differ from one another by more than they cost (section 2, figure 4). Section 3: both are folded into
 * the weights; Hadamard matrices that run for every token turn queries and keys (`R3`) and the down projection's input (`R4`), or are
 * left out ("no had"). Learning descends the loss of the rounded model over orthogonal matrices by Cayley steps (eq. 2 to 4).
 */
import {
  drawRotations,
  learnRotations,
  type SpinRotations,
  type SpinTraining,
} from "./spinquant/training.ts";
import { matrixRotation } from "../transforms/rotation.ts";
import { rotateModel } from "../transforms/rotate_model.ts";
import type { Model } from "../../model/model.ts";
import type { MethodWith, ModelMethod, QuantizeContext } from "../method.ts";
import { SchemeError } from "../error.ts";
import {
  flag,
  integer,
  listOf,
  number,
  optional,
  type OptionTable,
  or,
  readOptions,
  section,
  type SuiteScheme,
} from "../options.ts";

/** Rotations as data: rows one after the other. */
export interface GivenRotations {
  /** `R1` `[hidden, hidden]`. */
  readonly hidden: readonly number[];
  /** `R2` of each layer, `[headDim, headDim]`. */
  readonly values: readonly (readonly number[])[];
}

/** SpinQuant's rotations as data. */
export interface SpinQuant extends SuiteScheme, SpinTraining {
  /** Tag of the method. */
  readonly method: "spinquant";
  /** Rotations that were learnt before; nothing is learnt then. */
  readonly rotations?: GivenRotations;
}

/** Options of {@linkcode spinquant}; absent ones take the values of the paper's runs where GPTQ follows. */
export type SpinQuantOptions = Partial<Omit<SpinQuant, keyof SuiteScheme>>;

/** What {@linkcode spinquant} accepts. */
export const spinquantOptions: OptionTable<SpinQuant> = {
  seed: integer(0, 2 ** 32 - 1, 0),
  steps: integer(0, 1 << 20, 100),
  learningRate: number(0, 100, 1.5),
  batch: integer(1, 1 << 16, 8),
  activationBits: integer(2, 16, 4),
  cacheBits: integer(2, 16, 4),
  gradientNorm: or(null, number(0, 1e6), 1),
  down: flag(true),
  keys: flag(true),
  rotations: optional(section({ hidden: listOf(number(-2, 2)), values: listOf(listOf(number(-2, 2))) })),
};

/**
 * SpinQuant's rotations, for `transforms`; `steps: 0` leaves the random ones that learning starts from.
 *
 * @example
 * ```ts
 * import { gptq, parseScheme, rtn, spinquant } from "quantbook";
 * import { assertEquals } from "@std/assert";
 *
 * const scheme = {
 *   transforms: [spinquant({ steps: 16, batch: 2 })],
 *   weights: gptq({ bits: 4, symmetric: true, search: "mse", trueSequential: true }),
 *   activations: rtn({ bits: 4, granularity: "token" }),
 * };
 * assertEquals(parseScheme(JSON.parse(JSON.stringify(scheme))), scheme);
 * ```
 */
export function spinquant(options: SpinQuantOptions = {}): SpinQuant {
  return readOptions("spinquant", spinquantOptions, options);
}

const transform: ModelMethod<SpinQuant> = {
  async apply(model, scheme, context) {
    const { hidden, values } = await rotationsOf(model, scheme, context);
    const { hiddenSize, headDim } = model.architecture, { down, keys } = scheme;
    const plan = {
      method: "spinquant",
      hidden: matrixRotation(hidden, hiddenSize),
      values: (layer: number) => matrixRotation(values[layer], headDim),
      online: { down, keys },
    };
    return await rotateModel(model, plan, scheme);
  },
};

async function rotationsOf(
  model: Model,
  scheme: SpinQuant,
  context: QuantizeContext,
): Promise<SpinRotations> {
  const { steps, seed, rotations } = scheme;
  if (rotations !== undefined) return checked(model, rotations);
  if (steps === 0) return drawRotations(model, seed);
  // Schemes that round differently share what was learnt; the model's hash covers the calibration windows.
  const key = `spinquant ${JSON.stringify(scheme)} ${await model.hash()}`;
  const known = context.memory.get(key) as SpinRotations | undefined;
  const learnt = known ??
    await learnRotations(model, context.calibration("spinquant"), scheme, context.progress, context.finished);
  context.memory.set(
    key,
    learnt,
    8 * learnt.values.reduce((sum, one) => sum + one.length, learnt.hidden.length),
  );
  return learnt;
}

/** Rotations of the right sizes that are orthogonal: others would change the function. */
function checked({ name, architecture }: Model, { hidden, values }: GivenRotations): SpinRotations {
  const { hiddenSize, headDim, layers } = architecture;
  if (values.length !== layers) {
    throw new SchemeError(
      "shape",
      `rotations.values has ${values.length} matrices: expected ${layers}, one for each layer of ${name}`,
    );
  }
  const matrix = (what: string, given: readonly number[], n: number) => {
    const q = Float64Array.from(given);
    if (q.length !== n * n) {
      throw new SchemeError("shape", `${what} has ${q.length} values: expected ${n} x ${n} for ${name}`);
    }
    let worst = 0;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        let sum = 0;
        for (let k = 0; k < n; k++) sum += q[i * n + k] * q[j * n + k];
        worst = Math.max(worst, Math.abs(sum - Number(i === j)));
      }
    }
    if (worst <= 1e-3) return q;
    throw new SchemeError(
      "values",
      `${what} times its transpose is off the identity by ${
        worst.toExponential(1)
      }: expected an orthogonal matrix`,
    );
  };
  return {
    hidden: matrix("rotations.hidden", hidden, hiddenSize),
    values: values.map((one, layer) => matrix(`rotations.values[${layer}]`, one, headDim)),
  };
}

/** SpinQuant, for the registry. */
export const spinquantMethod: MethodWith<{ transform: ModelMethod<SpinQuant> }> = {
  name: "spinquant",
  paper: {
    title: "SpinQuant: LLM Quantization with Learned Rotations",
    authors: "Liu et al. 2025",
    link: "https://arxiv.org/abs/2405.16406",
  },
  options: spinquantOptions,
  cost: { calibrates: true },
  parse: (options) => spinquant(options as SpinQuantOptions),
  transform,
};
