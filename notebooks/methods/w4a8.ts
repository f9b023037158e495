/** 4-bit weights beside 8-bit activations: entries of `../methods.ts`. */
import type { MethodEntry } from "./entry.ts";

const tex = String.raw;

/** In the order in which the report lists them. */
export const w4a8: readonly MethodEntry[] = [
  {
    id: "fptq",
    name: "FPTQ",
    bits: "A8",
    quantizes: "activations",
    calibration: true,
    gradient: false,
    cost: "one forward pass",
    paper: { title: "Li et al. 2023", link: "https://arxiv.org/abs/2308.15987" },
    notebook: "w4a8",
    source: "quant/methods/fptq.ts",
    equation: {
      tex: tex`s_j = \frac{\max\lvert X_j\rvert}{\log_2(2 + \max\lvert X_j\rvert)}`,
      label: "section 4.2",
      anchor: "export function logarithmicFactors(",
      lines: 3,
    },
  },
  {
    id: "dgq",
    name: "DGQ",
    bits: "W4 A8",
    quantizes: "weights, activations, attention operands",
    calibration: true,
    gradient: false,
    cost: "100 products of a weight with its inputs' moments",
    paper: { title: "Zhang et al. 2023", link: "https://arxiv.org/abs/2310.04836" },
    notebook: "w4a8",
    source: "quant/methods/dgq.ts",
    equation: {
      source: "quant/weights/dual_grained.ts",
      tex: tex`\hat{w} = s_{\text{row}}\; s_{\text{group}}\,(q - z), \qquad
        s_{\text{group}} \in \{1, \dots, 127\}, \qquad \lvert s_{\text{group}}\,(q - z)\rvert \le 127`,
      label: "section 3.2",
      anchor: "integers(): Int8Array {",
      lines: 6,
    },
  },
  {
    id: "odyssey",
    name: "OdysseyLLM",
    bits: "W4",
    quantizes: "weights",
    calibration: true,
    gradient: true,
    cost: "100 products of a weight with its inputs' moments, and GPTQ",
    paper: { title: "Li et al. 2023", link: "https://arxiv.org/abs/2311.09550" },
    notebook: "w4a8",
    source: "quant/methods/odyssey.ts",
    equation: {
      source: "quant/methods/odyssey/clipping.ts",
      tex:
        tex`s = \frac{\max\bigl(\sigma(\gamma)\,\lvert\max W\rvert,\; \sigma(\beta)\,\lvert\min W\rvert\bigr)}{7}`,
      label: "section 4.2",
      anchor: "const covered = (i: number)",
      lines: 4,
    },
  },
];
