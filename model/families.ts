/** The model families that the decoder knows, by `model_type` of config.json. */
import type { Architecture } from "./architecture.ts";
import type { ModelConfig } from "./config.ts";
import { llama } from "./families/llama.ts";
import { opt } from "./families/opt.ts";
import { ModelError } from "./model_error.ts";

const families: Readonly<Record<string, (config: ModelConfig) => Architecture>> = { llama, opt };

/** The architecture that a configuration describes. */
export function architectureOf(config: ModelConfig): Architecture {
  const type = config.modelType;
  if (!Object.hasOwn(families, type)) {
    const known = Object.keys(families).join(", ");
    throw new ModelError(
      "family",
      `${config.source}: model_type is ${JSON.stringify(type)}: expected one of ${known}`,
    );
  }
  return families[type](config);
}
