/** The methods of the suite as the report presents them: each with its equation and the lines that implement it. */
import type { Method } from "./lib/report/methods_page.ts";

/** In the order in which the report lists them. */
export const methods: readonly Method[] = [
  {
    id: "rtn",
    name: "Round to nearest",
    bits: "2 to 8",
    quantizes: "weights, activations, attention operands",
    calibration: false,
    gradient: false,
    cost: "one pass over the weights",
    paper: { title: "Nagel et al. 2021", link: "https://arxiv.org/abs/2106.08295" },
    notebook: "rtn",
    source: "quant/rtn.ts",
    equation: {
      tex:
        "q = \\operatorname{clip}\\left(\\left\\lfloor \\tfrac{x}{s} \\right\\rceil + z,\\; 0,\\; 2^b - 1\\right), \\qquad \\hat{x} = s\\,(q - z)",
      label: "eq. 4 to 7",
      anchor: "for (let group = 0; group < groups; group++) {",
      lines: 7,
    },
  },
  {
    id: "smoothquant",
    name: "SmoothQuant",
    bits: "W8 A8",
    quantizes: "weights, activations",
    calibration: true,
    gradient: false,
    cost: "one forward pass",
    paper: { title: "Xiao et al. 2023", link: "https://arxiv.org/abs/2211.10438" },
    notebook: "smoothquant",
    source: "quant/smoothquant.ts",
    equation: {
      tex: "s_j = \\frac{\\max\\lvert X_j\\rvert^{\\alpha}}{\\max\\lvert W_j\\rvert^{1-\\alpha}}",
      label: "eq. 4",
      anchor: "export function smoothingScales(",
      lines: 10,
    },
  },
];
