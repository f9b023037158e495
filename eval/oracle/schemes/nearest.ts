/** Schemes that compute what the original code computed in its published runs; oracle values belong to these. */
import { rtn, type RtnOptions } from "../../../quant/methods/rtn.ts";
import type { Scheme } from "../../../quant/scheme.ts";
import { smoothQuant } from "../../../quant/methods/smoothquant.ts";

/**
 * The LEGACY runs (SPEC section 2.4): weights per output channel, linear inputs and attention operands per token with
 * the same bits, values per channel over tokens; asymmetric throughout. 16 bits leave a part alone.
 */
export function legacyScheme(
  { bitsW, bitsA, alpha, symmetricActivations = false }: {
    readonly bitsW: number;
    readonly bitsA: number;
    readonly alpha?: number;
    readonly symmetricActivations?: boolean;
  },
): Scheme {
  const legacy = { symmetric: symmetricActivations, codes: "offsetBinary" } as const;
  const token = bitsA < 16 ? rtn({ bits: bitsA, granularity: "token", ...legacy }) : undefined;
  const channel = bitsA < 16 ? rtn({ bits: bitsA, granularity: "channel", ...legacy }) : undefined;
  return {
    ...alpha !== undefined && { transforms: [smoothQuant({ alpha })] },
    ...bitsW < 16 && { weights: rtn({ bits: bitsW }) },
    ...token && { activations: token, query: token, key: token, scores: token },
    ...channel && { value: channel },
  };
}

/** The oracle's results on round to nearest and SmoothQuant, and the schemes that reproduce them, by id. */
export function nearestSchemes(): Map<string, Scheme> {
  const schemes = new Map<string, Scheme>([["fp32", {}]]);
  const weights = (id: string, options: RtnOptions<"tensor" | "channel" | "group">) =>
    schemes.set(id, { weights: rtn(options) });
  for (const bits of [8, 6, 4, 3, 2]) weights(`rtn-w${bits}-pc`, { bits, granularity: "channel" });
  for (const bits of [4, 3]) {
    for (const groupSize of [128, 64, 32]) weights(`rtn-w${bits}-g${groupSize}`, { bits, groupSize });
  }
  const legacy = { bits: 4, symmetric: true, codes: "offsetBinary" } as const;
  weights("rtn-w4-pc-symLegacy", { ...legacy, granularity: "channel" });
  weights("rtn-w4-g32-symLegacy", { ...legacy, groupSize: 32 });
  for (const [era, search, codes] of [["head", "none", "signed"], ["june", "mse", "narrow"]] as const) {
    for (const bits of [8, 4, 3]) weights(`${era}-rtn-w${bits}-pc`, { bits, granularity: "channel", search });
    for (const bits of [8, 4]) {
      weights(`${era}-rtn-w${bits}-pc-sym`, { bits, granularity: "channel", symmetric: true, codes, search });
    }
    for (const bits of [4, 3]) {
      weights(`${era}-rtn-w${bits}-g32-sym`, { bits, groupSize: 32, symmetric: true, codes, search });
    }
    weights(`${era}-rtn-w4-pertensor`, { bits: 4, granularity: "tensor", search });
  }
  for (const [bitsW, bitsA] of [[8, 8], [6, 6], [4, 8], [4, 4], [16, 8], [16, 6], [16, 4]]) {
    schemes.set(`rtn-w${bitsW}a${bitsA}`, legacyScheme({ bitsW, bitsA }));
  }
  schemes.set("rtn-w8a8-symA", legacyScheme({ bitsW: 8, bitsA: 8, symmetricActivations: true }));
  activationSchemes(schemes);
  for (const alpha of [0.5, 0.85]) schemes.set(`sq-only-a${alpha}`, { transforms: [smoothQuant({ alpha })] });
  for (let percent = 35; percent <= 90; percent += 5) {
    for (const bits of [8, 6, 4]) {
      const id = `sq-w${bits}a${bits}-a${(percent / 100).toFixed(2)}`;
      schemes.set(id, legacyScheme({ bitsW: bits, bitsA: bits, alpha: percent / 100 }));
    }
  }
  schemes.set("sq-w4a8-a0.55", legacyScheme({ bitsW: 4, bitsA: 8, alpha: 0.55 }));
  return schemes;
}

/** The HEAD runs: activations and attention operands each on their own. */
function activationSchemes(schemes: Map<string, Scheme>): void {
  const at = (bits: number, granularity: "token" | "dimension" | "tensor" | "channel", symmetric = false) =>
    rtn({ bits, granularity, symmetric });
  const w8 = rtn({ bits: 8 }), w4 = rtn({ bits: 4 });
  for (const [w, a] of [[8, 8], [6, 6], [4, 8], [4, 4]]) {
    schemes.set(`head-rtn-w${w}a${a}-qkvs16`, { weights: rtn({ bits: w }), activations: at(a, "token") });
  }
  schemes.set("head-rtn-w8a8-symA-qkvs16", { weights: w8, activations: at(8, "token", true) });
  schemes.set("head-rtn-w8a8-tensorA", { weights: w8, activations: at(8, "tensor") });
  schemes.set("head-rtn-w8a8-columnA (flags F,F)", { weights: w8, activations: at(8, "channel") });
  schemes.set("head-rtn-w4a8-g32A", { weights: w4, activations: rtn({ bits: 8, groupSize: 32 }) });
  for (
    const [name, granularity] of [["token", "token"], ["column", "dimension"], ["tensor", "tensor"]] as const
  ) {
    const quantizer = at(8, granularity);
    schemes.set(`head-qkvs8-${name}`, {
      query: quantizer,
      key: quantizer,
      value: quantizer,
      scores: quantizer,
    });
  }
  const kv = (id: string, quantizer: ReturnType<typeof at> | ReturnType<typeof rtn<"group">>) =>
    schemes.set(id, { key: quantizer, value: quantizer });
  kv("head-kv4-token", at(4, "token"));
  kv("head-kv4-token-sym", at(4, "token", true));
  kv("head-kv4-tensor-sym", at(4, "tensor", true));
  kv("head-kv4-g16", rtn({ bits: 4, groupSize: 16 }));
  schemes.set("head-k4-preRoPE", { keyBeforeRotary: at(4, "token"), key: at(4, "token") });
  schemes.set("head-q4", { query: at(4, "token") });
  schemes.set("head-s4", { scores: at(4, "token") });
}
