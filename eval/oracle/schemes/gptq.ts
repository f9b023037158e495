/** Schemes that compute what the original code's GPTQ runs computed; oracle values belong to these. */
import { gptq, type GptqOptions } from "../../../quant/methods/gptq.ts";
import type { Scheme } from "../../../quant/scheme.ts";
import { legacyScheme } from "./nearest.ts";

/** GPTQ as the original code runs it: scales of groups inside a block of 128 columns are those of the block's start. */
export function referenceGptq(options: GptqOptions): Scheme {
  return { weights: gptq({ groupStatistics: "block-start", ...options }) };
}

/** The oracle's results on GPTQ (QRazor's apart), and the schemes that reproduce them, by id. */
export function gptqSchemes(): Map<string, Scheme> {
  const schemes = new Map<string, Scheme>();
  const add = (id: string, options: GptqOptions) => schemes.set(id, referenceGptq(options));
  for (const bits of [4, 3, 2]) {
    for (const groupSize of [-1, 128, 64, 32]) {
      for (const actOrder of [false, true]) {
        const id = `gptq-w${bits}-${groupSize < 0 ? "pc" : `g${groupSize}`}${actOrder ? "-act" : ""}`;
        add(id, { bits, groupSize, actOrder });
        if (bits > 2 && groupSize > 0) {
          add(`${id}-static`, { bits, groupSize, actOrder, staticGroups: true });
        }
        add(`${id}-ts`, { bits, groupSize, actOrder, trueSequential: true });
        add(`${id}-damp.1`, { bits, groupSize, actOrder, percdamp: 0.1 });
      }
    }
  }
  const channel = { bits: 4, actOrder: true };
  add("gptq-w4-pc-act-symLegacy", { ...channel, symmetric: true, codes: "offsetBinary" });
  for (const era of ["head", "june"]) {
    add(`${era}-gptq-w4-pc-act`, channel);
    add(`${era}-gptq-w4-pc-act-sym`, {
      ...channel,
      symmetric: true,
      codes: era === "june" ? "narrow" : "signed",
    });
  }
  const weights = gptq(channel);
  schemes.set("gptq-w4a8-pc-act", { ...legacyScheme({ bitsW: 16, bitsA: 8 }), weights });
  schemes.set("gptq-w4a8-pc-act-sq0.85", { ...legacyScheme({ bitsW: 16, bitsA: 8, alpha: 0.85 }), weights });
  return schemes;
}
