/** Schemes that compute what LLM-FP4's original code computed. */
import { llmFp4, type LlmFp4Options } from "../../../quant/methods/llmfp4.ts";
import { type GoldenReader, unknownId } from "./golden.ts";

const searches = {
  FPQ_config_llama: "channel",
  FPQ_baseline_config_llama: "tensor",
  MinMax_config_llama: "none",
} as const;

/**
 * `{ config, qbits, searchRound, searchIntervals, quantEmbedding, quantHead, calibRows, calibLength }`: bits of weights, activations and
 * embedding, then their exponents' before the search. The original quantizes both ends or neither.
 */
export const readLlmFp4: GoldenReader = (result) => {
  const config = result.config as {
    readonly config: string;
    readonly qbits: readonly [number, number, number, number, number, number];
    readonly searchRound: number;
    readonly searchIntervals: readonly [from: number, to: number, steps: number];
    readonly quantEmbedding: boolean;
    readonly quantHead: boolean;
    readonly calibRows: number;
    readonly calibLength: number;
  };
  const search = Object.entries(searches).find(([name]) => name === config.config)?.[1];
  if (search === undefined) throw unknownId(result, `config ${Object.keys(searches).join(", ")}`);
  if (config.quantEmbedding !== config.quantHead) throw unknownId(result, "embedding and head alike");
  const [bits, activationBits, embeddingBits, exponentBits, activationExponentBits] = config.qbits;
  const [from, to, steps] = config.searchIntervals;
  const options: LlmFp4Options = {
    bits,
    activationBits,
    ...config.quantEmbedding && { embeddingBits },
    search,
    rounds: config.searchRound,
    from,
    to,
    steps,
    exponentBits,
    activationExponentBits,
    tokens: config.calibLength,
    arithmetic: "original",
  };
  return { scheme: { linears: llmFp4(options) }, calibrationWindows: config.calibRows };
};
