/** Mamba (Gu and Dao, 2023): layers of a selective state-space mixer, without attention, feed-forward block or positions. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { activation, head, linears } from "./description.ts";

/** Reads the configuration of a `mamba` checkpoint. */
export function mamba(config: ModelConfig): Architecture {
  const hiddenSize = config.integer("hidden_size");
  const expanded = config.integer("expand") * hiddenSize;
  const innerSize = config.has("intermediate_size") ? config.integer("intermediate_size") : expanded;
  if (innerSize !== expanded) config.fail("intermediate_size", `${expanded}, expand times hidden_size`);
  const automatic = [undefined, null, "auto"].includes(config.values["time_step_rank"] as undefined);
  const prefix = "backbone.layers.{layer}", mixer = `${prefix}.mixer`;
  const norm = { weight: `${prefix}.norm.weight` };
  const biased = config.boolean("use_bias");
  return {
    family: config.modelType,
    vocabularySize: config.integer("vocab_size"),
    hiddenSize,
    intermediateSize: innerSize,
    layers: config.integer("num_hidden_layers"),
    heads: 0,
    kvHeads: 0,
    headDim: 0,
    maxPositions: unlimited,
    norm: { kind: "rms", eps: config.number("layer_norm_epsilon", { min: 0 }) },
    positions: { kind: "none" },
    activation: activation(config),
    stateSpace: {
      innerSize,
      stateSize: config.integer("state_size"),
      taps: config.integer("conv_kernel"),
      rank: automatic ? Math.ceil(hiddenSize / 16) : config.integer("time_step_rank"),
      tensors: {
        kernel: `${mixer}.conv1d.weight`,
        ...config.boolean("use_conv_bias") ? { kernelBias: `${mixer}.conv1d.bias` } : {},
        decay: `${mixer}.A_log`,
        skip: `${mixer}.D`,
      },
    },
    ...head(config, "backbone.embeddings.weight"),
    attentionNorm: norm,
    mlpNorm: norm,
    finalNorm: { weight: "backbone.norm_f.weight" },
    linears: linears(
      mixer,
      { in: "in_proj", x: "x_proj", dt: "dt_proj", out: "out_proj" },
      biased ? ["in", "dt", "out"] : ["dt"],
    ),
  };
}

/** Nothing bounds the length of a recurrence. */
const unlimited = 2 ** 31 - 1;
