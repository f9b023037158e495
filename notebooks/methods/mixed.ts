/** Methods that mix: a branch of low rank beside codes, bits by salience, binary weights beside 4-bit ones. Entries of `../methods.ts`. */
import type { MethodEntry } from "./entry.ts";

const tex = String.raw;

/** In the order in which the report lists them. */
export const mixed: readonly MethodEntry[] = [
  {
    id: "svdquant",
    name: "SVDQuant",
    bits: "W2 to W8, A2 to A8",
    quantizes: "weights and activations beside a branch of low rank",
    calibration: true,
    gradient: false,
    cost: "singular value decompositions of each layer",
    paper: { title: "Li et al. 2025", link: "https://arxiv.org/abs/2411.05007" },
    source: "quant/methods/svdquant.ts",
    equation: {
      source: "quant/methods/svdquant/branch.ts",
      tex: tex`W s = L + R, \qquad L_k = \operatorname{SVD}_r\left(W s - Q(R_{k-1})\right), \qquad
        y = \hat{x} L^{\mathsf T} + Q(\hat{x})\, Q(R)^{\mathsf T}, \qquad \hat{x} = x / s`,
      label: "eq. 5 to 7",
      anchor: "const branch = truncated(minus(rounded), rank, precision);",
      lines: 4,
    },
  },
];
