/** Methods that learn block by block: entries of `../methods.ts`. */
import type { MethodEntry } from "./entry.ts";

const tex = String.raw;

/** In the order in which the report lists them. */
export const learned: readonly MethodEntry[] = [
  {
    id: "omniquant",
    name: "OmniQuant",
    bits: "W2 to W8, A4 to A8",
    quantizes: "weights, activations, attention operands",
    calibration: true,
    gradient: true,
    cost: "a forward and a backward pass of each block per step",
    paper: { title: "Shao et al. 2024", link: "https://arxiv.org/abs/2308.13137" },
    notebook: "omniquant",
    source: "quant/methods/omniquant.ts",
    equation: {
      source: "quant/gradients/rounding.ts",
      tex: tex`s = \frac{\sigma(\gamma)\max W - \sigma(\beta)\min W}{2^b - 1}, \qquad
        z = -\left\lfloor \tfrac{\sigma(\beta)\min W}{s} \right\rceil`,
      label: "eq. 2",
      anchor: "const reach = symmetric ? Math.max(Math.abs(most), Math.abs(least)) : f32(most - least);",
      lines: 6,
    },
  },
  {
    id: "abq",
    name: "ABQ-LLM",
    bits: "W2 to W8, A4 to A8",
    quantizes: "weights, activations, attention operands",
    calibration: true,
    gradient: true,
    cost: "a forward and a backward pass of each block per step",
    paper: { title: "Zeng et al. 2025", link: "https://arxiv.org/abs/2408.08554" },
    notebook: "affinequant",
    source: "quant/methods/abq.ts",
    equation: {
      source: "quant/methods/abq/loss.ts",
      tex: tex`\mathcal{L} = \sum_{t} \lVert y - t \rVert^2 - \log\lvert\cos(y, t)\rvert
        + D(A \parallel A_t) + D(A_t \parallel A)`,
      label: "section 3.2",
      anchor: "const { loss: squares, gradient } = meanSquares(outcome);",
      lines: 8,
    },
  },
  {
    id: "affine",
    name: "AffineQuant",
    bits: "W2 to W8, A4 to A8",
    quantizes: "weights, activations, attention operands",
    calibration: true,
    gradient: true,
    cost: "a forward and a backward pass of each block, and inverses, per step",
    paper: { title: "Ma et al. 2024", link: "https://arxiv.org/abs/2403.12544" },
    notebook: "affinequant",
    source: "quant/methods/affine.ts",
    equation: {
      source: "quant/methods/affine/mask.ts",
      tex: tex`x W^\top = (x A^{-1})(W A^\top)^\top, \qquad
        A_{ij} = 0 \text{ where } \lvert i - j\rvert > \tfrac{e}{E - 1}(d - 1)`,
      label: "eq. 4 and 7",
      anchor: "const band = epochs < 2 ?",
      lines: 7,
    },
  },
];
