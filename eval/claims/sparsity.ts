/** The schemes of the rows of tables on pruning. */
import { magnitude } from "../../quant/methods/magnitude.ts";
import { sparseGpt } from "../../quant/methods/sparsegpt.ts";
import { wanda } from "../../quant/methods/wanda.ts";
import type { Scheme } from "../../quant/scheme.ts";
import type { Claim } from "./files.ts";

/** The scheme of a row whose setting is `{ sparsity: "50%" | "2:4" }`; null where its method is not here. */
export function sparsityScheme({ method, settings }: Claim): Scheme | null {
  const text = String(settings.sparsity), share = /^(\d+)%$/.exec(text);
  const options = share === null ? { pattern: text } : { sparsity: Number(share[1]) / 100 };
  switch (method) {
    case "dense":
      return {};
    case "magnitude":
      return { sparsity: magnitude(options) };
    case "Wanda":
      return { sparsity: wanda(options) };
    case "SparseGPT":
      return { sparsity: sparseGpt(options) };
    default:
      return null;
  }
}
