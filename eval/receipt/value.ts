/** The numbers of a receipt from those of its windows. */
import { divergenceOf } from "../metrics/divergence.ts";
import { perplexityOf } from "../metrics/perplexity.ts";
import type { TokenWindows } from "../windows.ts";
import type { ValueClaim, WindowClaim } from "./receipt.ts";

/** Perplexity and divergence of windows. */
export function valueOf(found: readonly WindowClaim[], windows: TokenWindows): ValueClaim {
  const losses = found.map(({ loss }) => loss);
  const { value, standardError, tokens } = perplexityOf(losses, windows.map(({ length }) => length - 1));
  const compared = found.flatMap(({ divergence, agreement }) =>
    divergence === null || agreement === null ? [] : [{ kl: divergence, agreement }]
  );
  return {
    perplexity: { value, standardError, tokens },
    divergence: compared.length < found.length ? null : divergenceOf(compared, windows),
  };
}
