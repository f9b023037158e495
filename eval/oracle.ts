/** Values that the methods' original code gave on the fixture models: the expected values of tests and notebooks. */
import { fixture } from "../base/fixture.ts";
import { readText } from "../base/file.ts";
import { type RawTensor, readSafetensors } from "../model/safetensors.ts";
import type { Perplexity } from "./metrics/perplexity.ts";
import { OracleError } from "./oracle/error.ts";
import { meanOf } from "./statistics.ts";

export { OracleError };
export {
  type GoldenGroup,
  type GoldenMeasured,
  type GoldenReader,
  type GoldenResult,
  goldenResults,
  type GoldenRun,
  goldenRun,
  goldenTensors,
} from "./oracle/golden.ts";
export { firstLayerProblems, type LayerProblem, outputError } from "./oracle/problems.ts";
export { type DistillRun, distillRuns, distillScheme } from "./oracle/schemes/distill.ts";
export { gptqSchemes, referenceGptq } from "./oracle/schemes/gptq.ts";
export { kvquantSchemes } from "./oracle/schemes/kvquant.ts";
export { legacyScheme } from "./oracle/schemes/nearest.ts";
export { type QRazorRun, referenceQRazor } from "./oracle/schemes/qrazor.ts";

/** One run of the original code. */
export interface OracleResult {
  /** Such as `"rtn-w4-pc"`; see `fixtures/expected/SOURCE.md`. */
  readonly id: string;
  /** Method, as the original code calls it. */
  readonly method: string;
  /** Version of the original code. */
  readonly era: string;
  /** Its settings. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Perplexity of the 16 test windows of 512 tokens, if measured (`NaN` is recorded as null). */
  readonly ppl: number | null;
  /** Mean negative log-likelihood of each window. */
  readonly windowNll: readonly number[] | null;
  /** Side results: layer errors, average bits, loss curves. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** What the original code raised instead. */
  readonly error?: string;
}

const cache = new Map<string, Promise<Map<string, OracleResult>>>();

/** All results of a fixture model (`"llama"`, `"llama-outlier"`, `"opt"`; `fixture:` may precede), by id. */
export function oracleResults(model: string): Promise<Map<string, OracleResult>> {
  const name = model.replace(/^fixture:/, "");
  const found = cache.get(name) ?? read(name);
  cache.set(name, found);
  return found;
}

async function read(name: string): Promise<Map<string, OracleResult>> {
  let text: string;
  try {
    text = await readText(await fixture(`expected/${name}.json`));
  } catch (cause) {
    throw new OracleError(
      "model",
      `no oracle values for model ${name}: expected llama, llama-outlier or opt`,
      { cause },
    );
  }
  const results: OracleResult[] = JSON.parse(text).results;
  return new Map(results.map((one) => [one.id, one]));
}

/** One result, by id. */
export async function oracle(model: string, id: string): Promise<OracleResult> {
  const found = (await oracleResults(model)).get(id);
  if (found === undefined) throw new OracleError("id", `the oracle of ${model} has no result ${id}`);
  return found;
}

/** How a measured perplexity compares with the original code's on the same windows. */
export interface OracleAgreement {
  /** `measured / original - 1`. */
  readonly relative: number;
  /** Mean over windows of the difference in negative log-likelihood, in standard errors of that mean. */
  readonly standardErrors: number;
  /** Whether the two agree within the tolerance; see {@linkcode compareWithOracle}. */
  readonly agrees: boolean;
}

/**
 * Compares with the original code. Two implementations add floats in different orders. Where activations are rounded
 * on the fly, a sum that lands beside a rounding boundary flips a code, and everything computed from it flips more:
 * each window then carries an independent error of some 1e-3 nats (our own float64 twin and our float32 kernels differ
 * from each other by as much as either differs from the original: measured on W6A6, windows 0 to 4). Perplexities agree when they are within `tolerance`, or within twice of it
 * if the windows' differences are no more than this noise: their mean within 3 of its standard errors.
 */
export function compareWithOracle(
  measured: Perplexity,
  { ppl, windowNll }: OracleResult,
  tolerance: number,
): OracleAgreement {
  if (ppl === null || windowNll === null || windowNll.length !== measured.windowNll.length) {
    throw new OracleError(
      "id",
      `the oracle result has no perplexity of ${measured.windowNll.length} windows`,
    );
  }
  const relative = measured.value / ppl - 1;
  const { mean, standardError } = meanOf(windowNll.map((nll, i) => measured.windowNll[i] - nll));
  const standardErrors = mean === 0 ? 0 : mean / standardError;
  const size = Math.abs(relative);
  return {
    relative,
    standardErrors,
    agrees: size <= tolerance || (size <= 2 * tolerance && Math.abs(standardErrors) <= 3),
  };
}

/** Tensors that the original code gave: codes, scales, Hessians. */
export async function oracleTensors(model: string): Promise<Map<string, RawTensor>> {
  const name = model.replace(/^fixture:/, "");
  return await readSafetensors(await fixture(`expected/${name}.safetensors`));
}

/** The token windows that the oracle values belong to. */
export async function oracleWindows(name: "test" | "calib" | "long" | "prompt"): Promise<Int32Array[]> {
  const tensors = await readSafetensors(await fixture("expected/tokens.safetensors"));
  const tensor = tensors.get(name);
  if (!(tensor?.data instanceof Int32Array)) throw new OracleError("id", `no token windows ${name}`);
  const length = tensor.shape.at(-1) ?? 0;
  const { data } = tensor;
  return Array.from({ length: data.length / length }, (_, i) => data.slice(i * length, (i + 1) * length));
}
