/**
 * How tests compare a method with the stored runs of its original code: every id through `goldenRun`, to perplexity on the 16 test
 * windows. `QUANTBOOK_ORACLE` says how many of them (`check_testing.ts`).
 */
import { assert } from "@std/assert";
import { Random } from "../../kernels/conformance/suite.ts";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import type { CalibrationMemory } from "../../quant/method.ts";
import { quantize } from "../../quant/quantize.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { oracleWindows } from "../oracle.ts";
import { perplexity } from "../metrics/perplexity.ts";
import { isCompared, withNoisyHessian } from "./check_testing.ts";
import { type GoldenGroup, goldenResults, goldenRun, goldenTensors } from "./golden.ts";
import { OracleError } from "./error.ts";

/** A window's mean loss in another arithmetic, given what it is and of how many tokens. */
export type WindowLoss = (loss: number, tokens: number) => number;

/** What {@linkcode checkGolden} compares. */
export interface GoldenCheck {
  /** Which of the group's results: all that it answers true for, and that have a perplexity. */
  readonly covers: (id: string, method: string) => boolean;
  /** Largest relative difference of perplexity, as the group's README has it. */
  readonly bound: (id: string) => number;
  /** Ids that the quick suite runs. */
  readonly quick: readonly string[];
  /** What calibration is told instead of looking, for a model, in noisy runs too. */
  readonly memory?: (model: Model) => Promise<CalibrationMemory>;
  /** What the original's arithmetic made of a window's loss, the mean over so many tokens, where it was not float32's. */
  readonly loss?: (id: string) => WindowLoss | undefined;
  /** Ids that the suite refuses, by name. */
  readonly refused?: readonly string[];
  /** The model, where it is no fixture; the caller frees it. */
  readonly float?: Model;
}

/**
 * Compares results, one test step each. A row beyond its bound must lie where float32-sized noise puts our own runs: a sum in another
 * order moves a value across a rounding boundary, and all that follows with it.
 */
export async function checkGolden(
  t: Deno.TestContext,
  group: GoldenGroup,
  model: string,
  { covers, bound, quick, memory, loss, refused = [], float: given }: GoldenCheck,
): Promise<void> {
  const calib = await oracleWindows("calib"), windows = await oracleWindows("test");
  const results = await goldenResults(group, model);
  const tensors = await goldenTensors(group, model).catch(() => undefined);
  using loaded = given === undefined ? await loadModel(`fixture:${model}`) : null;
  const float = given ?? loaded;
  if (float === null) throw new Error(`no model ${model}`);
  const told = memory && { memory: await memory(float) };
  for (const id of quick) assert(results.has(id), `${group} ${model} has no result ${id}`);
  for (const result of results.values()) {
    const { id, ppl, method } = result;
    if (!covers(id, method) || !isCompared(id, quick) || typeof ppl !== "number") continue;
    await t.step(id, async () => {
      if (refused.includes(id)) return assertRefused(() => goldenRun(group, result, { tensors }), id);
      const { scheme, calibrationWindows } = goldenRun(group, result, { tensors });
      const calibration = calibrationWindows > 0 ? calib.slice(0, calibrationWindows) : undefined;
      using quantized = await quantize(float, scheme, { calibration, ...told });
      const measured = Math.exp(await meanLoss(quantized, windows, loss?.(id))),
        relative = measured / ppl - 1;
      if (Math.abs(relative) <= bound(id)) return;
      const { mean, interval, draws } = await noisyDraws(float, scheme, {
        calibration,
        windows,
        ...told,
        loss: loss?.(id),
      });
      const shown =
        `${model} ${id}: ${measured}, original ${ppl}: ${
          relative.toExponential(1)
        } relative, ours with noise ` +
        draws.map((x) => Math.exp(x).toFixed(3)).join(" ");
      assert(Math.abs(Math.log(ppl) - mean) <= interval, shown);
      console.log(
        `${shown}: within 99% of their prediction, ${interval.toExponential(1)} about ${
          Math.exp(mean).toFixed(3)
        }`,
      );
    });
  }
}

/**
 * Where noise of float32's size puts the logarithm of our own perplexity: in six draws, and so in 99 of 100 more within `interval` of `mean`.
 */
export async function noisyDraws(
  float: Model,
  scheme: Scheme,
  { calibration, windows, memory, loss }: {
    readonly calibration?: readonly Int32Array[];
    readonly windows: readonly Int32Array[];
    readonly memory?: CalibrationMemory;
    readonly loss?: WindowLoss;
  },
): Promise<{ mean: number; interval: number; draws: number[] }> {
  const draws: number[] = [];
  for (let seed = 1; seed <= 6; seed++) {
    using noisy = scheme.transforms === undefined ? withNoise(float, seed) : withNoisyEmbedding(float, seed);
    using one = await quantize(noisy, withNoisyHessian(scheme, seed), { calibration, memory });
    draws.push(await meanLoss(one, windows, loss));
  }
  const mean = draws.reduce((sum, x) => sum + x, 0) / draws.length;
  const variance = draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (draws.length - 1);
  // One more draw lies within this in 99 of 100 cases: Student's t with 5 degrees of freedom.
  return { mean, interval: 4.03 * Math.sqrt(variance * (1 + 1 / draws.length)), draws };
}

/** The mean of the windows' losses, all of one length. */
async function meanLoss(
  model: Model,
  windows: readonly Int32Array[],
  loss: WindowLoss = (value) => value,
): Promise<number> {
  const { windowNll } = await perplexity(model, windows);
  return windowNll.reduce((sum, one, i) => sum + loss(one, windows[i].length - 1), 0) / windows.length;
}

function assertRefused(run: () => unknown, id: string): void {
  try {
    run();
  } catch (error) {
    return assert(error instanceof OracleError && error.message.includes(id), String(error));
  }
  throw new Error(`${id} was not refused`);
}

/**
 * A model whose linear layers read inputs with noise. A sum of 256 products in float32 is off by some `sqrt(256) 2^-25` of its terms'
 * size, 2^-21, and two orders of summation differ by as much.
 */
function withNoise(model: Model, seed: number): Model {
  const random = new Random(seed), { device } = model;
  return model.with({
    interventions: [{
      input(x) {
        using factors = device.upload(
          Float32Array.from({ length: x.length }, () => 1 + 2 ** -21 * (2 * random.next() - 1)),
        );
        device.multiply(x, factors);
      },
    }],
    change: { noise: seed },
  });
}

/** A model whose embedding has such noise, for schemes that rewrite the model and take none that is rewritten on the fly. */
function withNoisyEmbedding(model: Model, seed: number): Model {
  const random = new Random(seed), { name, shape } = model.embedding;
  let values: Promise<Float32Array> | undefined;
  const noisy = async () =>
    (await model.embedding.values()).map((value) => value * (1 + 2 ** -21 * (2 * random.next() - 1)));
  return model.with({
    embedding: { name, shape, values: () => values ??= noisy() },
    change: { noise: seed },
  });
}
