/** Schemes that compute what an independent implementation of FPTQ computed. */
import { fptq } from "../../../quant/methods/fptq.ts";
import { rtn } from "../../../quant/methods/rtn.ts";
import { type GoldenReader, unknownId } from "./golden.ts";

/** By the strategy of an id. */
const strategies = {
  "auto": { transform: {}, operand: {} },
  "static": { operand: { ranges: "static" } },
  "token": { operand: { ranges: "token" } },
  "lae-only": { transform: { equalize: "all" }, operand: { ranges: "static" } },
  "lae-token": { transform: { equalize: "all" }, operand: { ranges: "token" } },
} as const;

/** `{ strategy, wbits, abits, group }`; 16 bits are float. */
export const readFptq: GoldenReader = (result) => {
  const { strategy = "auto", wbits = 4, abits = 8, group = Number(/-g(\d+)/.exec(result.id)?.[1] ?? 64) } =
    result.config as {
      readonly strategy?: string;
      readonly wbits?: number;
      readonly abits?: number;
      readonly group?: number;
    };
  if (!Object.hasOwn(strategies, strategy)) throw unknownId(result, Object.keys(strategies).join(", "));
  const chosen: { readonly transform?: object; readonly operand: object } =
    strategies[strategy as keyof typeof strategies];
  const weights = rtn({ bits: wbits < 16 ? wbits : 8, groupSize: group, symmetric: true, codes: "narrow" });
  return {
    scheme: {
      ...chosen.transform && { transforms: [fptq(chosen.transform)] },
      ...wbits < 16 && { weights },
      ...abits < 16 && { activations: fptq({ bits: abits, ...chosen.operand }) },
    },
    calibrationWindows: 32,
  };
};
