/** Schemes that compute what an independent implementation of OdysseyLLM computed. */
import { show } from "../../../base/show.ts";
import { odyssey } from "../../../quant/methods/odyssey.ts";
import { rtn } from "../../../quant/methods/rtn.ts";
import { OracleError } from "../error.ts";
import type { GoldenReader } from "./golden.ts";

/** `{ lwc, gptq, activation, lwcSteps, lwcLr, lwcInit }`. */
export const readOdyssey: GoldenReader = (result) => {
  const {
    lwc,
    gptq,
    activation,
    weightBits = 4,
    lwcSteps = 100,
    lwcLr = 0.01,
    lwcInit = 4,
    ...others
  } = result.config as {
    readonly lwc: boolean;
    readonly gptq: boolean;
    readonly activation: 16 | "per token int8";
    readonly weightBits?: number;
    readonly lwcSteps?: number;
    readonly lwcLr?: number;
    readonly lwcInit?: number;
  };
  if (
    Object.keys(others).length > 0 || weightBits !== 4 || activation !== 16 && activation !== "per token int8"
  ) {
    throw new OracleError(
      "id",
      `${result.id}: its configuration ${show(result.config)} is not known: expected lwc, ` +
        'gptq, activation 16 or "per token int8", lwcSteps, lwcLr, lwcInit',
    );
  }
  const weights = odyssey({
    clipping: lwc ? "learned" : "none",
    compensation: gptq,
    steps: lwcSteps,
    learningRate: lwcLr,
    start: lwcInit,
  });
  const activations = rtn({ bits: 8, granularity: "token", symmetric: true });
  return { scheme: { weights, ...activation !== 16 && { activations } }, calibrationWindows: 32 };
};
