/** Schemes that compute what the original code's QRazor runs computed; oracle values belong to these. */
import { type Compensation, type QRazor, qrazor } from "../../../quant/methods/qrazor.ts";
import type { RazorVariant } from "../../../quant/grids/razor.ts";
import type { Scheme } from "../../../quant/scheme.ts";

/** One published run: which parts are razored, and in which groups. */
export interface QRazorRun {
  /** The published variant that the original code was run as. */
  readonly variant: RazorVariant;
  /** Values that share a scale. */
  readonly groupSize: number;
  /** Bits that are kept of 8-bit weights. */
  readonly bitsW?: number;
  /** Bits that are kept of 16-bit inputs of linear layers; one scale per tensor. */
  readonly bitsA?: number;
  /** Bits that are kept of 8-bit keys and values; one scale per tensor. */
  readonly bitsKv?: number;
  /** Weights are compensated as GPTQ does. */
  readonly compensation?: Partial<Compensation>;
}

/** A run as the original code does it; the June code searches for the weights' ranges where nothing is compensated. */
export function referenceQRazor(run: QRazorRun): Scheme {
  const { variant, groupSize, bitsW, bitsA, bitsKv, compensation } = run;
  const kv = bitsKv === undefined ? undefined : qrazor({ bits: bitsKv, groupSize, variant });
  return {
    ...bitsW !== undefined && {
      weights: qrazor({
        bits: bitsW,
        groupSize,
        variant,
        search: searchOf(variant, compensation !== undefined),
        ...compensation && { compensation },
      }),
    },
    ...bitsA !== undefined && { activations: qrazor({ bits: bitsA, baseBits: 16, groupSize, variant }) },
    ...kv && { key: kv, value: kv },
  };
}

function searchOf(variant: RazorVariant, compensated: boolean): QRazor["search"] {
  return variant === "june" && !compensated ? "mse" : "none";
}

/** The oracle's results on QRazor, and the schemes that reproduce them, by id. */
export function qrazorSchemes(): Map<string, Scheme> {
  const schemes = new Map<string, Scheme>();
  for (const variant of ["head", "june"] as const) {
    const add = (id: string, run: Omit<QRazorRun, "variant">) =>
      schemes.set(`${variant}-qrazor-${id}`, referenceQRazor({ variant, ...run }));
    for (const groupSize of [8, 16, 32, 64, 128]) {
      const w4 = { bitsW: 4, groupSize };
      add(`w4a16-g${groupSize}`, w4);
      add(`w4a8-g${groupSize}`, { ...w4, bitsA: 8 });
      add(`w4a4-g${groupSize}`, { ...w4, bitsA: 4 });
      add(`w4a4kv4-g${groupSize}`, { ...w4, bitsA: 4, bitsKv: 4 });
    }
    add("kv4-g16", { bitsKv: 4, groupSize: 16 });
    add("w8base", { bitsW: 8, groupSize: 32 });
    add("a16base-r16-off", { bitsA: 8, groupSize: 32 });
    const g32 = { variant, groupSize: 32, bits: 4 };
    const search = searchOf(variant, false);
    schemes.set(`${variant}-qrazor-w4asym-g32`, { weights: qrazor({ ...g32, symmetric: false, search }) });
    schemes.set(`${variant}-qrazor-w4a8-token-g32`, {
      weights: qrazor({ ...g32, search }),
      activations: qrazor({ ...g32, granularity: "row" }),
    });
    for (const actOrder of [false, true]) {
      const suffix = actOrder ? "-act" : "";
      for (const groupSize of [16, 32]) {
        add(`gptq-w4-g${groupSize}${suffix}`, { bitsW: 4, groupSize, compensation: { actOrder } });
      }
    }
    const compensation = { actOrder: true };
    add("gptq-w4a4kv4-g16-act", { bitsW: 4, bitsA: 4, bitsKv: 4, groupSize: 16, compensation });
  }
  return schemes;
}
