/** Runs of DGQ (`ilur98/DGQ` `dgq/entry.py`) by its own configuration (`golden/methods2/rotation-w4a8`). */
import { show } from "../../../base/show.ts";
import { dgq } from "../../../quant/methods/dgq.ts";
import { rtn } from "../../../quant/methods/rtn.ts";
import type { Scheme } from "../../../quant/scheme.ts";
import { OracleError } from "../error.ts";
import type { GoldenReader } from "./golden.ts";

interface Config {
  readonly act_quant: { readonly bits: number; readonly method: string } | null;
  readonly wt_quant: {
    readonly bits: number;
    readonly method: string;
    readonly groupsize: number;
    readonly w4w8: boolean;
  };
  readonly smoothquant: boolean;
  readonly meanact: boolean;
  readonly kvquant: boolean;
}

const ranges = { static: "static", per_token: "token", per_tensor: "tensor" } as const;

/** `{ qconfig, nsamples }`. */
export const readDgq: GoldenReader = (result) => {
  const { qconfig, nsamples } = result.config as {
    readonly qconfig: Config;
    readonly nsamples: number;
  };
  const { act_quant: act, wt_quant: wt, smoothquant, meanact, kvquant } = qconfig;
  const refused = (reason: string) => new OracleError("id", `${result.id}: ${reason}`);
  if (meanact || wt.bits !== 4 || (act?.bits ?? 8) !== 8) {
    throw refused(`its configuration is ${show(qconfig)}: expected W4A8 without meanact`);
  }
  if (act !== null && !Object.hasOwn(ranges, act.method)) {
    throw refused(`act_quant.method is ${show(act.method)}: expected ${Object.keys(ranges).join(", ")}`);
  }
  if (wt.method !== "search" && wt.method !== "naive") {
    throw refused(`wt_quant.method is ${show(wt.method)}: expected search or naive`);
  }
  const groupSize = wt.groupsize,
    found = { extremes: "leastWindow", behind: "layers" } as const,
    fixed = dgq(found);
  const own = dgq({ groupSize, window: "last", scales: wt.w4w8 ? "integer" : "float" });
  const scheme: Scheme = {
    ...smoothquant && { transforms: [dgq()] },
    weights: wt.method === "naive" ? rtn({ bits: 4, groupSize }) : own,
    ...act && { activations: dgq({ ...found, ranges: ranges[act.method as keyof typeof ranges] }) },
    ...kvquant && { query: fixed, key: fixed, value: fixed },
  };
  const calibrates = wt.method === "search" || smoothquant || kvquant;
  return { scheme, calibrationWindows: calibrates ? nsamples : 0 };
};
