/** Special tokens by the names of their parts: `bos_token`, `eos_token`, ... */
import { isJsonObject, type JsonObject, own } from "../../base/json.ts";

const names = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"].map((part) => `${part}_token`);

/**
 * `tokenizer_config.json` with the special tokens that `special_tokens_map.json` names: those go first, unless the configuration has the
 * newer `added_tokens_decoder`, as in transformers.
 */
export function withSpecialTokens(config: JsonObject, map: JsonObject): JsonObject {
  if (own(config, "added_tokens_decoder") !== undefined) return config;
  const isToken = (name: string) => /_token$|^(?:extra|additional)_special_tokens$/.test(name);
  return { ...config, ...Object.fromEntries(Object.entries(map).filter(([name]) => isToken(name))) };
}

/** The special tokens of a configuration. A token is a text, or an object with its `content`; null is no token. */
export function specialTokensOf(config: JsonObject): Readonly<Record<string, string>> {
  const found = new Map<string, string>();
  const add = (name: string, value: unknown) => {
    const text = isJsonObject(value) ? own(value, "content") : value;
    if (typeof text === "string") found.set(name, text);
  };
  for (const name of names) add(name, own(config, name));
  // Others belong to some models only: `image_token`.
  for (const [name, value] of Object.entries(config)) {
    if (name.endsWith("_token") && typeof value === "string") add(name, value);
  }
  const extra = own(config, "extra_special_tokens");
  if (isJsonObject(extra)) { for (const [name, value] of Object.entries(extra)) add(name, value); }
  return Object.fromEntries(found);
}
