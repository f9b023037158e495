/**
 * How tests compare a method with its original code: perplexity on the oracle's 16 test windows, configuration by
 * configuration. `deno task test` runs the first of the few that a test names for a model, `QUANTBOOK_ORACLE=all` (`deno task test:oracle`)
 * all, `QUANTBOOK_ORACLE=2/5` these and the second of five parts: `.ci/run` has no time for more than one.
 */
import { assert } from "@std/assert";
import { sha256Hex } from "../../base/hash.ts";
import { Random } from "../../kernels/conformance/suite.ts";
import { loadModel } from "../../model/load.ts";
import type { Model } from "../../model/model.ts";
import type { InputStatistics, WeightMethod } from "../../quant/method.ts";
import type { Tagged } from "../../quant/options.ts";
import { quantize } from "../../quant/quantize.ts";
import { methodOf, registerMethod, type WeightScheme } from "../../quant/registry.ts";
import type { Scheme } from "../../quant/scheme.ts";
import { compareWithOracle, oracle, oracleWindows } from "../oracle.ts";
import { perplexity } from "../metrics/perplexity.ts";

const asked = Deno.env.get("QUANTBOOK_ORACLE") ?? "";
const part = /^(\d+)\/(\d+)$/.exec(asked);
if (!["", "all"].includes(asked) && (part === null || +part[1] < 1 || +part[1] > +part[2])) {
  throw new Error(`QUANTBOOK_ORACLE is ${asked}: expected all, or a part such as 2/5`);
}

/** Whether a stored result is compared in this run: the first of `quick` always is. */
export function isCompared(id: string, quick: readonly string[]): boolean {
  if (asked === "all" || id === quick[0]) return true;
  return part !== null &&
    parseInt(sha256Hex(new TextEncoder().encode(id)).slice(0, 8), 16) % +part[2] === +part[1] - 1;
}

/** What {@linkcode checkAgainstOracle} compares. */
export interface OracleCheck {
  /** Largest relative difference of perplexity. */
  readonly tolerance: number;
  /** Ids that the quick suite runs; see {@linkcode isCompared}. */
  readonly quick: readonly string[];
  /** Ids for which another bound holds, with the reason beside them in the test. */
  readonly bounds?: Readonly<Record<string, number>>;
  /**
   * Ids whose result is chaotic: where it is not within the tolerance, it must lie where rounding errors of the
   * original's size put our own; see {@linkcode assertAmongDraws}.
   */
  readonly chaotic?: readonly string[];
}

/** Compares every scheme that the oracle has a perplexity for, one test step each. */
export async function checkAgainstOracle(
  t: Deno.TestContext,
  model: string,
  schemes: ReadonlyMap<string, Scheme>,
  { tolerance, quick, bounds = {}, chaotic = [] }: OracleCheck,
): Promise<void> {
  const calibration = await oracleWindows("calib");
  const windows = await oracleWindows("test");
  using float = await loadModel(`fixture:${model}`);
  let compared = 0;
  for (const [id, scheme] of schemes) {
    if (!isCompared(id, quick)) continue;
    const expected = await oracle(model, id).catch(() => null);
    if (typeof expected?.ppl !== "number") continue;
    compared++;
    const { ppl } = expected;
    await t.step(id, async () => {
      using quantized = await quantize(float, scheme, { calibration });
      const measured = await perplexity(quantized, windows);
      const { agrees, relative, standardErrors } = compareWithOracle(
        measured,
        expected,
        bounds[id] ?? tolerance,
      );
      if (!agrees && chaotic.includes(id)) {
        return await assertAmongDraws(float, scheme, ppl, { calibration, windows });
      }
      assert(
        agrees,
        `${model} ${id}: ${measured.value}, original ${ppl}: ${relative} relative, ${standardErrors} standard errors`,
      );
    });
  }
  assert(compared > 0, `the oracle of ${model} has none of ${[...schemes.keys()].join(", ")}`);
}

interface NoisyHessian extends Tagged {
  readonly inner: WeightScheme;
  readonly random: Random;
}

/** How the method of a scheme quantizes weights. */
function weightsOf(scheme: WeightScheme): WeightMethod<WeightScheme> {
  const { weights } = methodOf(scheme);
  assert(weights !== undefined);
  return weights as WeightMethod<WeightScheme>;
}

/**
 * Another method on a Hessian with noise. The original factors, inverts and factors again in float32, which is as good
 * as a Hessian that is wrong by up to `n u` of `sqrt(H_ii H_jj)`, 2^-16 for 256 columns; the noise is a quarter of it.
 */
const noisyHessian = {
  name: "noisyHessian",
  parse: (options: Record<string, unknown>) => options as unknown as NoisyHessian,
  weights: {
    needs: "gram",
    prepare: async (model, { inner }, context) =>
      await weightsOf(inner).prepare?.(model, inner, context) ??
        model.with({ change: { noisyHessian: inner } }),
    sequential: ({ inner }) => weightsOf(inner).sequential?.(inner) ?? false,
    lastWindow: ({ inner }) => weightsOf(inner).lastWindow?.(inner) ?? false,
    drift: ({ inner }) => weightsOf(inner).drift?.(inner) ?? false,
    inputs: ({ inner }) => weightsOf(inner).inputs?.(inner) ?? false,
    roundedInputs: ({ inner }) => weightsOf(inner).roundedInputs?.(inner) ?? false,
    windows: ({ inner }) => weightsOf(inner).windows?.(inner),
    async calibrate(model, { inner, random }, context) {
      const own = await weightsOf(inner).calibrate?.(model, inner, context);
      if (!own) return null;
      return (weight, place, input, device) => {
        assert(input !== null);
        return own(weight, place, withNoise(input, random), device);
      };
    },
    quantize(weight, { inner, random }, place, input, device) {
      assert(input !== null);
      return weightsOf(inner).quantize(weight, inner, place, withNoise(input, random), device);
    },
  } satisfies WeightMethod<NoisyHessian>,
};

registerMethod(noisyHessian);

function withNoise(input: InputStatistics, random: Random): InputStatistics {
  const n = Math.sqrt(input.gram.length);
  const gram = input.gram.slice();
  const size = Float64Array.from({ length: n }, (_, i) => Math.sqrt(gram[i * n + i]));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      gram[i * n + j] += 2 ** -18 * (2 * random.next() - 1) * size[i] * size[j];
      gram[j * n + i] = gram[i * n + j];
    }
  }
  return { ...input, gram };
}

/** The scheme with noise in the Hessians that its weights are quantized by; the same scheme where none are. */
export function withNoisyHessian(scheme: Scheme, seed: number): Scheme {
  if (scheme.weights === undefined || weightsOf(scheme.weights).needs === "nothing") return scheme;
  const weights = { method: "noisyHessian", inner: scheme.weights, random: new Random(seed) };
  return { ...scheme, weights } as unknown as Scheme;
}

/** Asserts that a perplexity is one that six draws of noise in the Hessian make likely: within 99% of their prediction. */
export async function assertAmongDraws(
  float: Model,
  scheme: Scheme,
  expected: number,
  { calibration, windows }: Record<"calibration" | "windows", readonly Int32Array[]>,
): Promise<void> {
  const random = new Random(1), draws: number[] = [];
  for (let draw = 0; draw < 6; draw++) {
    const weights = { method: "noisyHessian", inner: scheme.weights, random };
    using quantized = await quantize(float, { ...scheme, weights } as unknown as Scheme, { calibration });
    draws.push(Math.log((await perplexity(quantized, windows)).value));
  }
  const mean = draws.reduce((sum, x) => sum + x, 0) / draws.length;
  const variance = draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (draws.length - 1);
  // One more draw lies within this in 99 of 100 cases: Student's t with 5 degrees of freedom.
  const bound = 4.03 * Math.sqrt(variance * (1 + 1 / draws.length));
  const shown = `expected ${expected}, ours with noise ${draws.map((x) => Math.exp(x).toFixed(2)).join(" ")}`;
  assert(Math.abs(Math.log(expected) - mean) <= bound, shown);
  console.log(shown);
}
