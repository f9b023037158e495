/** Weights that were learned block by block, and what runs beside them, as parts of a scheme: shared by methods that learn as OmniQuant does. */
import { type LinearRole, linearRoles } from "../../../model/architecture.ts";
import { linearKey } from "../../../model/decoder/parameters.ts";
import type { StoredWeight } from "../../../model/decoder/parameter.ts";
import type { Model } from "../../../model/model.ts";
import { SchemeError } from "../../error.ts";
import { readBlock } from "../../gradients/block.ts";
import type { CalibratedWeights, OperandMethod, QuantizeContext, WeightMethod } from "../../method.ts";
import { listOf, number, type Option, option, refused, type SuiteScheme } from "../../options.ts";
import { isFoldable } from "../../transforms/fold.ts";
import { MixedColumnsWeight } from "../../weights/mixed_columns.ts";
import { RealZeroWeight } from "../../weights/real_zero.ts";
import { type BlockVariant, learnBlocks, type LearnedLayer, modelOf, type OmniTraining } from "./learning.ts";

/** Parameters of a layer that were learned before: lists of numbers by name, such as `q.upper` or `attention.scale`. */
export type GivenLayer = Readonly<Record<string, readonly number[]>>;

/** A scheme of such a method. */
export interface LearnedScheme extends SuiteScheme, OmniTraining {
  /** What was learned before, layer by layer; nothing is learned then. */
  readonly parameters?: readonly GivenLayer[];
}

const expected = "an object of lists of numbers by name";

/** One layer's parameters in a scheme. */
export const givenLayer: Option<GivenLayer> = {
  expected,
  read(name, value) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw refused(name, value, expected);
    }
    const numbers = listOf(number(-1e6, 1e6));
    return Object.fromEntries(
      Object.entries(value).map(([key, list]) => [key, numbers.read(`${name}.${key}`, list) ?? []]),
    );
  },
};

/** 2 to 8 bits, or 16: nothing is rounded. */
export function bitsOption(fallback?: number): Option<number> {
  const accepts = (value: unknown) =>
    value === 16 || Number.isInteger(value) && Number(value) >= 2 && Number(value) <= 8;
  return option<number>("an integer from 2 to 8, or 16", accepts, fallback);
}

/** The part of weights: learned, or taken as given, and rounded before any other part sees them. */
export function learnedWeights<S extends LearnedScheme>(
  variantOf: (model: Model, scheme: S) => BlockVariant,
): WeightMethod<S> {
  return {
    needs: "nothing",
    prepare: (model, scheme, context) => prepare(model, scheme, context, variantOf(model, scheme)),
    skips: ({ bits }) => bits === 16,
    // The model comes from `prepare`: its weights are rounded already, and handed on as they are stored.
    calibrate(model, { bits, method }): Promise<CalibratedWeights> {
      const stored = new Map<string, StoredWeight>(), { architecture } = model;
      for (let layer = 0; bits < 16 && layer < architecture.layers; layer++) {
        for (const role of linearRoles(architecture)) {
          const { stored: found } = model.linear(layer, role);
          if (found instanceof RealZeroWeight || found instanceof MixedColumnsWeight) {
            stored.set(linearKey(layer, role), found);
          }
        }
      }
      return Promise.resolve((_, { layer, role, name }) => {
        const found = stored.get(linearKey(layer ?? -1, role as LinearRole));
        if (found !== undefined) return found;
        throw new SchemeError(
          "combination",
          `${method} has learned nothing of ${name}: expected it for all layers, without sparsity`,
        );
      });
    },
    quantize(_, { method }, { name }) {
      throw new SchemeError("combination", `${method} learns whole blocks, and ${name} is none`);
    },
  };
}

async function prepare(
  model: Model,
  scheme: LearnedScheme,
  context: QuantizeContext,
  variant: BlockVariant,
): Promise<Model> {
  const { name, rotations } = model, { parameters, ...plain } = scheme;
  if (scheme.equivalent && (rotations.keys || rotations.heads || !isFoldable(model, "attention"))) {
    throw new SchemeError(
      "combination",
      `${variant.name} scales channels that ${name} mixes, or norms that feed other things too: expected equivalent: false, or no rotation`,
    );
  }
  if (parameters !== undefined) {
    const layers = await givenLayers(model, parameters, variant);
    return await modelOf(model, scheme, layers, { prepared: scheme }, variant);
  }
  const runs = await learnBlocks(model, scheme, context, variant);
  return await modelOf(model, scheme, runs.map((run) => run.parameters), { prepared: plain }, variant);
}

/** What is given must be what would be learned, name by name; shifts of 0 where there are none may stand there too. */
async function givenLayers(
  model: Model,
  parameters: readonly GivenLayer[],
  variant: BlockVariant,
): Promise<LearnedLayer[]> {
  const { layers: count } = model.architecture, layers: LearnedLayer[] = [];
  if (parameters.length !== count) {
    throw new SchemeError(
      "shape",
      `parameters has ${parameters.length} layers: expected ${count}, those of ${model.name}`,
    );
  }
  const start = await variant.start(null);
  for (const [layer, given] of parameters.entries()) {
    const wanted = start(layer, await readBlock(model, layer));
    for (const name of new Set([...wanted.keys(), ...Object.keys(given)])) {
      const want = wanted.get(name)?.length, have = given[name]?.length;
      if (want === have) continue;
      throw new SchemeError(
        "shape",
        `parameters[${layer}].${name} has ${have ?? "no"} values: expected ${
          want ?? "none"
        } for ${model.name}`,
      );
    }
    layers.push(
      Object.fromEntries(Object.entries(given).map(([name, values]) => [name, Float32Array.from(values)])),
    );
  }
  return layers;
}

/** The part of operands: each token, or each head of a token, over its own range. */
export const learnedOperand: OperandMethod<LearnedScheme> = {
  apply(device, x, { rows, columns, heads }, { activationBits: bits, operands }) {
    if (bits === 16) return;
    const apart = operands === "head" ? heads : 1;
    device.fakeQuantize(x, x, { bits, mode: "asymmetric", zeroInRange: false }, {
      rows: rows * apart,
      columns: columns / apart,
      axis: "row",
    });
  },
};
