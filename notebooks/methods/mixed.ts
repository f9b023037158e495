/** Methods that mix: a branch of low rank beside codes, bits by salience, binary weights beside 4-bit ones. Entries of `../methods.ts`. */
import type { MethodEntry } from "./entry.ts";

const tex = String.raw;

/** In the order in which the report lists them. */
export const mixed: readonly MethodEntry[] = [
  {
    id: "obq",
    name: "OBQ",
    bits: "W2 to W8",
    quantizes: "weights, in the order of least cost",
    calibration: true,
    gradient: false,
    cost: "the cube of a row's length, for each row",
    paper: { title: "Frantar and Alistarh 2022", link: "https://arxiv.org/abs/2208.11580" },
    notebook: "obq",
    source: "quant/methods/obq.ts",
    equation: {
      source: "quant/compensation/surgeon.ts",
      tex: tex`j = \operatorname*{argmin}_j \frac{(w_j - q(w_j))^2}{[H^{-1}]_{jj}}, \qquad
        w \leftarrow w - \frac{w_j - q(w_j)}{[H^{-1}]_{jj}} [H^{-1}]_{:,j}`,
      label: "section 5",
      anchor: "for (const i of this.#open) {",
      lines: 6,
    },
  },
  {
    id: "obs",
    name: "OBS (ExactOBS)",
    bits: "any share, N:M",
    quantizes: "nothing: removes weights",
    calibration: true,
    gradient: false,
    cost: "the cube of a row's length, for each row",
    paper: { title: "Frantar and Alistarh 2022", link: "https://arxiv.org/abs/2208.11580" },
    notebook: "obq",
    source: "quant/methods/obs.ts",
    equation: {
      tex: tex`j = \operatorname*{argmin}_j \frac{w_j^2}{[H^{-1}]_{jj}}`,
      label: "section 4",
      anchor: "const score = weights[j] ** 2 / surgeon.pivot(j);",
      lines: 2,
    },
  },
  {
    id: "ptq161",
    name: "PTQ1.61",
    bits: "W1.61",
    quantizes: "weights: signs, and 4 bits in a mask of columns",
    calibration: true,
    gradient: false,
    cost: "one forward pass",
    paper: { title: "Zhao et al. 2025", link: "https://arxiv.org/abs/2502.13179" },
    notebook: "mixed_precision",
    source: "quant/methods/ptq161.ts",
    equation: {
      tex:
        tex`\hat{w} = \alpha \operatorname{sign}(w - \mu) + \mu, \qquad \mu = \operatorname{mean}(w), \qquad \alpha = \operatorname{mean}\lvert w \rvert`,
      label: "section 3.2",
      anchor: "let sum = 0, size = 0;",
      lines: 6,
    },
  },
  {
    id: "slimllm",
    name: "SliM-LLM",
    bits: "W2 to W7 on average",
    quantizes: "weights",
    calibration: true,
    gradient: false,
    cost: "GPTQ, and some products of each layer with its inputs",
    paper: { title: "Huang et al. 2025", link: "https://arxiv.org/abs/2405.14917" },
    notebook: "mixed_precision",
    source: "quant/methods/slimllm.ts",
    equation: {
      source: "quant/methods/slimllm/allocation.ts",
      tex: tex`p^* = \operatorname*{argmin}_p D_{\mathrm{KL}}\left(W X \,\Vert\, \hat{W}_p X\right), \qquad
        b_g = N - 1, N, N + 1 \text{ by } \textstyle\sum_{ij} w_{ij}^2 / [H^{-1}]_{jj}^2`,
      label: "section 3.2",
      anchor: "export function allocate(",
      lines: 7,
    },
  },
  {
    id: "svdquant",
    name: "SVDQuant",
    bits: "W2 to W8, A2 to A8",
    quantizes: "weights and activations beside a branch of low rank",
    calibration: true,
    gradient: false,
    cost: "singular value decompositions of each layer",
    paper: { title: "Li et al. 2025", link: "https://arxiv.org/abs/2411.05007" },
    notebook: "svdquant",
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
