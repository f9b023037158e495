/** Scores of the ends of a decoder: output projection and embedding, or both as one where they share a matrix. */
import type { Model } from "../../../model/model.ts";
import type { WeightScheme } from "../../../quant/registry.ts";
import { sizes } from "../../../quant/weights/sizes.ts";
import { endsAlone } from "./alone.ts";
import { differenceOf, weighted } from "./errors.ts";
import { fisherScores } from "./fisher.ts";
import { only, type ScoreName, type ScoringText, type Sensitivity } from "./sensitivity.ts";

/** Whether output projection and embedding are one matrix, which is rounded as one. */
export const isTied = ({ architecture }: Model): boolean => architecture.head === architecture.embedding;

/** Scores of the ends, rounded as in `quantized` and nothing else with them; of the float model, zeros. */
export async function endsSensitivities(
  float: Model,
  quantized: Model,
  weights: WeightScheme | "float",
  { calibration, predictions, scores: asked }: ScoringText,
): Promise<Sensitivity[]> {
  const { parts } = sizes(quantized), tied = isTied(float);
  const bytesOf = (kind: "head" | "embedding") =>
    parts.reduce((sum, one) => sum + (one.kind === kind ? one.bytes : 0), 0);
  const found = (role: EndRole, scores: Readonly<Record<ScoreName, number>>): Sensitivity => {
    const bytes = role === "ends" ? bytesOf("head") + bytesOf("embedding") : bytesOf(role);
    return { layer: null, role, weights, bytes, scores: only(scores, asked) };
  };
  const roles: EndRole[] = tied ? ["ends"] : ["head", "embedding"];
  if (weights === "float") {
    return roles.map((role) => found(role, { noise: 0, hessian: 0, fisher: 0, divergence: 0, shapley: 0 }));
  }
  const head = await headErrors(float, quantized, calibration);
  const table = await tableErrors(float, quantized, calibration);
  const fisher = asked.includes("fisher")
    ? await fisherScores(float, quantized, predictions.windows, true)
    : { head: 0, embedding: 0, ends: 0 };
  const alone = (ends: readonly ("head" | "embedding")[]) => endsAlone(float, quantized, ends, predictions);
  const both = await alone(["head", "embedding"]);
  if (tied) {
    const hessian = head.hessian + table.hessian;
    // Of one player all is its own.
    return [
      found("ends", { noise: table.noise, hessian, fisher: fisher.ends, divergence: both, shapley: both }),
    ];
  }
  const ofHead = await alone(["head"]), ofTable = await alone(["embedding"]);
  // Shapley's value of two players: the mean over both orders.
  const shapley = [(ofHead + both - ofTable) / 2, (ofTable + both - ofHead) / 2];
  return [
    found("head", { ...head, fisher: fisher.head, divergence: ofHead, shapley: shapley[0] }),
    found("embedding", { ...table, fisher: fisher.embedding, divergence: ofTable, shapley: shapley[1] }),
  ];
}

type EndRole = "head" | "embedding" | "ends";

interface Local {
  readonly noise: number;
  readonly hessian: number;
}

/** What the output projection reads are the float model's states behind the last norm. */
async function headErrors(
  float: Model,
  quantized: Model,
  calibration: readonly Int32Array[],
): Promise<Local> {
  const { difference, signal, noise } = differenceOf(
    await float.head.values(),
    await quantized.head.values(),
  );
  const [rows, columns] = float.head.shape;
  using gram = float.device.gram(columns);
  let tokens = 0;
  for (const ids of calibration) {
    for (const hidden of await float.hiddenStates([ids])) {
      using states = hidden, inputs = await float.final(states, ids.length);
      gram.add(inputs, ids.length);
      tokens += ids.length;
    }
  }
  return {
    noise: share(noise, signal),
    hessian: weighted(difference, await gram.read(), rows, columns) / tokens,
  };
}

/** The inputs of an embedding are ids: the error of its output is that of the rows that are looked up. */
async function tableErrors(
  float: Model,
  quantized: Model,
  calibration: readonly Int32Array[],
): Promise<Local> {
  const { difference, signal, noise } = differenceOf(
    await float.embedding.values(),
    await quantized.embedding.values(),
  );
  const [, columns] = float.embedding.shape;
  let sum = 0, tokens = 0;
  for (const ids of calibration) {
    for (const id of ids) {
      for (let i = id * columns; i < (id + 1) * columns; i++) sum += difference[i] ** 2;
    }
    tokens += ids.length;
  }
  return { noise: share(noise, signal), hessian: sum / tokens };
}

const share = (noise: number, signal: number) => signal === 0 ? 0 : noise / signal;
