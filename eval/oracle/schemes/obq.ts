/** Runs of `TrueOBS` (`IST-DASLab/OBC`): every linear layer on the float model's inputs, so one layer's attention at most. */
import { show } from "../../../base/show.ts";
import type { LinearRole } from "../../../model/architecture.ts";
import { obq } from "../../../quant/methods/obq.ts";
import { obs } from "../../../quant/methods/obs.ts";
import type { Override } from "../../../quant/scheme.ts";
import { OracleError } from "../error.ts";
import { type GoldenReader, unknownId } from "./golden.ts";

const attention: readonly LinearRole[] = ["q", "k", "v", "o"];
/** Stored windows that the original was given. */
const windows = 32;

/** Where it was applied; layers behind a rounded one would see other inputs here. */
function whereOf(id: string, only: unknown): Pick<Override, "layers" | "linears"> {
  if (Array.isArray(only) && only.length === 1 && only[0] === "0.self_attn") {
    return { layers: [0], linears: attention };
  }
  throw new OracleError(
    "id",
    `${id}: only is ${show(only)}: expected ["0.self_attn"], whose inputs are the float model's`,
  );
}

/** `{ kind: "quant", bits, asym, minmax, damp, only, nooutlier }`. */
export const readObq: GoldenReader = (result) => {
  const { id, config } = result;
  const { kind, bits, asym, minmax, damp = 0, only, nooutlier = false } = config;
  if (
    kind !== "quant" || typeof bits !== "number" || typeof damp !== "number" || config.abits !== undefined
  ) {
    throw unknownId(result, "weights alone, of kind quant");
  }
  const scheme = obq({
    bits,
    symmetric: asym !== true,
    search: minmax === true ? "none" : "mse",
    percdamp: damp,
    outliersFirst: nooutlier !== true,
  });
  return { scheme: { overrides: [{ ...whereOf(id, only), weights: scheme }] }, calibrationWindows: windows };
};

/** `{ kind: "nm", n, m }` or `{ kind: "unstr", sparsity }`, with `damp` and `only`. */
export const readObs: GoldenReader = (result) => {
  const { id, config } = result, { kind, n, m, sparsity, damp = 0, only } = config;
  if (typeof damp !== "number" || kind !== "nm" && kind !== "unstr" || config.bits !== undefined) {
    throw unknownId(result, "kind nm or unstr, without bits");
  }
  const scheme = kind === "nm"
    ? obs({ pattern: `${Number(m) - Number(n)}:${m}`, percdamp: damp })
    : obs({ sparsity: Number(sparsity), percdamp: damp });
  return { scheme: { overrides: [{ ...whereOf(id, only), sparsity: scheme }] }, calibrationWindows: windows };
};
