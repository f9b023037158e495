/** Runs of the further methods' original code (`golden/methods2`): from a stored result to the scheme that computes the same. */
import { fixture } from "../../base/fixture.ts";
import { readText } from "../../base/file.ts";
import { show } from "../../base/show.ts";
import { type RawTensor, readSafetensors } from "../../model/safetensors.ts";
import { OracleError } from "./error.ts";
import { readCrossQuant } from "./schemes/crossquant.ts";
import { readDgq } from "./schemes/dgq.ts";
import { readFormat } from "./schemes/formats.ts";
import { readFptq } from "./schemes/fptq.ts";
import { gptaqRun } from "./schemes/gptaq.ts";
import { readHqq } from "./schemes/hqq.ts";
import type { GoldenReader, GoldenResult, GoldenRun } from "./schemes/golden.ts";
import { readAbq, readAffine, readOmniQuant } from "./schemes/learned.ts";
import { readMarlin } from "./schemes/marlin.ts";
import { readOdyssey } from "./schemes/odyssey.ts";
import { readQuik } from "./schemes/quik.ts";
import { readLlmFp4 } from "./schemes/llmfp4.ts";
import { readSvdQuant } from "./schemes/svdquant.ts";
import { readObq, readObs } from "./schemes/obq.ts";
import { readPtq161 } from "./schemes/ptq161.ts";
import { readSlimLlm } from "./schemes/slimllm.ts";
import { quarotRun, spinquantRun } from "./schemes/rotation.ts";

import { readMagnitude, readSparseGpt, readWanda } from "./schemes/sparse.ts";

export type { GoldenReader, GoldenResult, GoldenRun };

/** The float model. */
const baseline: GoldenReader = () => ({ scheme: {}, calibrationWindows: 0 });

/** A folder of `golden/methods2`. */
export type GoldenGroup = "formats" | "rotation-w4a8" | "sparse-obq" | "learned" | "mixed-lowrank-mamba";

/** By group and method. */
const readers: Readonly<Record<GoldenGroup, Readonly<Record<string, GoldenReader>>>> = {
  "formats": {
    baseline,
    format: readFormat,
    hqq: readHqq,
    crossquant: readCrossQuant,
    "llm-fp4": readLlmFp4,
  },
  "rotation-w4a8": {
    dgq: readDgq,
    fptq: readFptq,
    "marlin-gptq": readMarlin,
    odyssey: readOdyssey,
    quarot: quarotRun,
    quik: readQuik,
    spinquant: spinquantRun,
  },
  "sparse-obq": {
    baseline,
    gptaq: gptaqRun,
    gptq: gptaqRun,
    magnitude: readMagnitude,
    none: gptaqRun,
    obq: readObq,
    obs: readObs,
    rtn: gptaqRun,
    sparsegpt: readSparseGpt,
    wanda: readWanda,
  },
  "learned": { baseline, "ABQ-LLM": readAbq, AffineQuant: readAffine, OmniQuant: readOmniQuant },
  "mixed-lowrank-mamba": {
    baseline,
    none: baseline,
    "PTQ1.61": readPtq161,
    "SliM-LLM": readSlimLlm,
    SVDQuant: readSvdQuant,
  },
};

/**
 * The scheme and the calibration windows that reproduce a result of the original code, also for combinations of an id's parts that
 * nobody stored. `tensors` are those stored beside the results: rotations, learned matrices.
 *
 * @throws {OracleError} `id` for what the suite does not do, by name, and where a tensor is needed that is not given
 */
export function goldenRun(
  group: GoldenGroup,
  result: GoldenResult,
  { tensors }: { readonly tensors?: ReadonlyMap<string, RawTensor> } = {},
): GoldenRun {
  if (!Object.hasOwn(readers, group)) {
    throw new OracleError(
      "id",
      `group is ${show(group)}: expected one of ${Object.keys(readers).join(", ")}`,
    );
  }
  const methods = readers[group], read = methods[result.method];
  if (read === undefined) {
    const known = Object.keys(methods).join(", ");
    throw new OracleError(
      "id",
      `${result.id}: method is ${show(result.method)}: expected one of ${known} in ${group}`,
    );
  }
  return read(result, (name) => {
    const found = tensors?.get(name);
    if (found !== undefined) return found;
    throw new OracleError(
      "id",
      `${result.id} needs the stored tensor ${name}: pass goldenRun(..., { tensors })`,
    );
  }, tensors);
}

/** A stored result with what was measured. */
export interface GoldenMeasured extends GoldenResult {
  /** Perplexity of the 16 test windows, if measured. */
  readonly ppl?: number | null;
  /** Mean negative log-likelihood of each window. */
  readonly windowNll?: readonly number[] | null;
  /** Side results. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** What the original code raised instead. */
  readonly error?: string;
}

/** The results that come with the suite, by id. */
export async function goldenResults(group: GoldenGroup, model: string): Promise<Map<string, GoldenMeasured>> {
  const { results }: { results: Omit<GoldenMeasured, "model">[] } = JSON.parse(
    await readText(await fixture(`expected/methods2/${group}/${model}.json`)),
  );
  return new Map(results.map((one) => [one.id, { ...one, model }]));
}

/** The tensors that come with the suite: fewer than were stored, those that tests and notebooks use. */
export async function goldenTensors(group: GoldenGroup, model: string): Promise<Map<string, RawTensor>> {
  return await readSafetensors(await fixture(`expected/methods2/${group}/${model}.safetensors`));
}
