/** Methods that remove weights, as the report presents them. */

import type { MethodEntry } from "./entry.ts";

const tex = String.raw;

/** In the order in which the report lists them. */
export const pruning: readonly MethodEntry[] = [
  {
    id: "magnitude",
    name: "Magnitude pruning",
    bits: "16 of what stays",
    quantizes: "weights become zero",
    calibration: false,
    gradient: false,
    cost: "one sort of the weights",
    paper: { title: "Zhu and Gupta 2017", link: "https://arxiv.org/abs/1710.01878" },
    notebook: "sparsity",
    source: "quant/methods/magnitude.ts",
  },
  {
    id: "wanda",
    name: "Wanda",
    bits: "16 of what stays",
    quantizes: "weights become zero",
    calibration: true,
    gradient: false,
    cost: "one forward pass",
    paper: { title: "Sun et al. 2024", link: "https://arxiv.org/abs/2306.11695" },
    notebook: "sparsity",
    source: "quant/methods/wanda.ts",
    equation: {
      tex: tex`S_{ij} = \lvert W_{ij}\rvert \cdot \lVert X_j\rVert_2`,
      label: "eq. 1",
      anchor: "const norms = energies.map(Math.sqrt)",
      lines: 2,
    },
  },
  {
    id: "sparseGpt",
    name: "SparseGPT",
    bits: "16 or W2 to W8 of what stays",
    quantizes: "weights become zero, the rest on request",
    calibration: true,
    gradient: false,
    cost: "a Hessian and a Cholesky factor per layer",
    paper: { title: "Frantar and Alistarh 2023", link: "https://arxiv.org/abs/2301.00774" },
    notebook: "sparsity",
    source: "quant/methods/sparsegpt.ts",
    equation: {
      tex: tex`\varepsilon_{ij} = \frac{w_{ij}^2}{U_{jj}^2}, \qquad H^{-1} = U^{\mathsf T} U`,
      label: "eq. 6 and algorithm 1",
      anchor: "const score = (row: number, j: number)",
      lines: 1,
    },
  },
];
