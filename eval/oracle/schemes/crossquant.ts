/** Schemes that compute what an independent implementation of CrossQuant computed. */
import { crossQuant } from "../../../quant/methods/crossquant.ts";
import type { GoldenReader } from "./golden.ts";

/** `{ w, g, a, alpha, fold, static, f32 }`; steps are float64 here also where the original's were float32. */
export const readCrossQuant: GoldenReader = ({ config }) => {
  const { w, g, a, alpha, fold, static: fixed } = config as {
    readonly w?: number;
    readonly g?: number;
    readonly a?: number;
    readonly alpha?: number;
    readonly fold?: boolean;
    readonly static?: boolean;
  };
  const groups = g === undefined ? {} : { groupSize: g };
  const weights = w === undefined ? undefined : crossQuant({ bits: w, alpha: fold ? alpha : 1, ...groups });
  const activations = a === undefined
    ? undefined
    : crossQuant({ bits: a, alpha, columns: fixed ? "calibration" : "tokens" });
  return {
    scheme: { ...weights && { weights }, ...activations && { activations } },
    calibrationWindows: fold || fixed ? 32 : 0,
  };
};
