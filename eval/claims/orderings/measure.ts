/** Measures what a published row is compared by: losses of windows, and answers to questions. */
import { loadModel } from "../../../quant/published/load.ts";
import { quantize } from "../../../quant/quantize.ts";
import type { Scheme } from "../../../quant/scheme.ts";
import { QuantbookError } from "../../../base/error.ts";
import { corpus } from "../../corpus.ts";
import { perplexity } from "../../metrics/perplexity.ts";
import { evaluateTask } from "../../tasks/evaluate.ts";
import { groups } from "../../tasks/registry.ts";
import { answersName, type Outcome, schemeKey } from "./outcomes.ts";

/** How much of text and questions a model gets. */
export interface OrderingModel {
  /** Its name, and a specifier for `loadModel` unless `path` is one. */
  readonly model: string;
  readonly path?: string;
  /** Why a scheme says nothing on this model; null where it does. */
  readonly unfit?: (scheme: Scheme) => string | null;
  /** Scored windows, and their tokens. */
  readonly windows: number;
  readonly length: number;
  /** Windows that methods calibrate on. */
  readonly calibration: number;
  /** First questions with given answers of each task, and a third as many of those that take long; 0 asks none. */
  readonly questions: number;
}

/**
 * Runs a scheme on a model. What the method refuses to run on the model's shapes is an outcome, too.
 *
 * @param tasks pairs of task and metric, as `taskOfClaim` gives them
 */
export async function measureOutcome(
  scheme: Scheme,
  tasks: readonly (readonly [task: string, metric: string])[],
  { model: name, path = name, unfit = () => null, windows, length, calibration, questions }: OrderingModel,
): Promise<Outcome> {
  const about = { model: name, scheme: schemeKey(scheme) }, reason = unfit(scheme);
  if (reason !== null) return { ...about, refused: reason };
  using model = await loadModel(path);
  const { tokenizer } = model;
  const calibrated = await corpus("sotu", {
    split: "train",
    windows: calibration,
    length,
    seed: 0,
    tokenizer,
  });
  let quantized;
  try {
    quantized = await quantize(model, scheme, { calibration: calibrated });
  } catch (error) {
    if (!(error instanceof QuantbookError)) throw error;
    return { ...about, refused: error.message };
  }
  using _ = quantized;
  const scored = await corpus("sotu", { split: "test", windows, length, tokenizer });
  const { windowNll } = await perplexity(quantized, scored);
  const answers: Record<string, string> = {};
  if (questions > 0) {
    for (const [task, metric] of tasks) {
      // The members of a group, and answers that are written, take as many times longer.
      const long = task in groups || !metric.startsWith("acc");
      const { examples } = await evaluateTask(quantized, task, {
        limit: long ? Math.ceil(questions / 3) : questions,
      });
      answers[answersName(task, metric)] = examples.map(({ metrics }) => metrics[metric] === 1 ? "1" : "0")
        .join("");
    }
  }
  // Nine digits: what a float32 logit can tell.
  const losses = windowNll.map((one) => Number(one.toPrecision(9)));
  return { ...about, losses, ...(Object.keys(answers).length > 0 && { answers }) };
}
