/** Mistral 7B (Jiang et al., 2023): Llama whose queries see a window of the last tokens. */
import type { Architecture } from "../architecture.ts";
import type { ModelConfig } from "../checkpoint/config.ts";
import { slidingWindow } from "./description.ts";
import { llama } from "./llama.ts";

/** Reads the configuration of a `mistral` checkpoint. */
export function mistral(config: ModelConfig): Architecture {
  return { ...llama(config), ...slidingWindow(config) };
}
