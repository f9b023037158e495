/** Formats and what came after them: entries of `../methods.ts`. */
import type { MethodEntry } from "./entry.ts";

const tex = String.raw;

/** In the order in which the report lists them. */
export const formats: readonly MethodEntry[] = [
  {
    id: "fp8",
    name: "FP8",
    bits: "W8 A8",
    quantizes: "weights, activations, attention operands",
    calibration: false,
    gradient: false,
    cost: "one pass over the weights",
    paper: { title: "Micikevicius et al. 2022", link: "https://arxiv.org/abs/2209.05433" },
    notebook: "formats",
    source: "quant/methods/fp8.ts",
    equation: {
      tex:
        tex`s = \frac{\max\lvert x\rvert}{\mathrm{max}_{E}}, \qquad \hat{x} = s\, E\!\left(\tfrac{x}{s}\right)`,
      label: "section 3",
      anchor: "const scale = Math.fround(absMax(values) / most) || 2 ** -23;",
      lines: 2,
    },
  },
  {
    id: "mx",
    name: "MXFP8, MXFP6, MXFP4, MXINT8",
    bits: "4 to 8",
    quantizes: "weights, activations, attention operands",
    calibration: false,
    gradient: false,
    cost: "one pass over the weights",
    paper: { title: "Rouhani et al. 2023", link: "https://arxiv.org/abs/2310.10537" },
    notebook: "formats",
    source: "quant/methods/mx.ts",
    equation: {
      tex:
        tex`X = 2^{\lfloor \log_2 \max\lvert x\rvert \rfloor - e_{\max}}, \qquad \hat{x} = X\, E\!\left(\tfrac{x}{X}\right)`,
      label: "OCP MX 1.0, section 6.3",
      anchor: "const exponent = scaleExponent(absMax(values), scheme)",
      lines: 4,
    },
  },
  {
    id: "nvfp4",
    name: "NVFP4, four over six",
    bits: "W4 A4",
    quantizes: "weights, activations, attention operands",
    calibration: false,
    gradient: false,
    cost: "one pass over the weights",
    paper: { title: "NVIDIA 2025", link: "https://arxiv.org/abs/2509.25149" },
    notebook: "formats",
    source: "quant/methods/nvfp4.ts",
    equation: {
      tex:
        tex`p = \frac{\max\lvert X\rvert}{448 \cdot 6}, \qquad s = E_4M_3\!\left(\frac{\max\lvert x\rvert}{6\,p}\right), \qquad
        \hat{x} = s\,p\; E_2M_1\!\left(\tfrac{x}{s\,p}\right)`,
      label: "section 2",
      anchor: "const share = f32(absMax(values) / unit);",
      lines: 9,
    },
  },
  {
    id: "nf4",
    name: "NF4 and FP4, double quantization",
    bits: "W4",
    quantizes: "weights",
    calibration: false,
    gradient: false,
    cost: "one pass over the weights",
    paper: { title: "Dettmers et al. 2023", link: "https://arxiv.org/abs/2305.14314" },
    notebook: "formats",
    source: "quant/methods/nf4.ts",
    equation: {
      tex:
        tex`c = \arg\min_k \left\lvert T_k - \tfrac{x}{\max\lvert x\rvert} \right\rvert, \qquad \hat{x} = \max\lvert x\rvert\; T_c`,
      label: "section 3",
      anchor: "export function tableEncoder(",
      lines: 13,
    },
  },
  {
    id: "hqq",
    name: "HQQ",
    bits: "W1 to W8",
    quantizes: "weights",
    calibration: false,
    gradient: false,
    cost: "a few passes over the weights",
    paper: { title: "Badri, Shaji 2023", link: "https://mobiusml.github.io/hqq_blog/" },
    notebook: "hqq",
    source: "quant/methods/hqq.ts",
    equation: {
      tex:
        tex`E \leftarrow \operatorname{shrink}\!\left(W - \tfrac{q - z}{s}\right), \qquad z \leftarrow \operatorname{mean}\left(q - (W - E)\, s\right)`,
      label: "half-quadratic solver",
      anchor: "for (let k = 0, i = group * first; k < groupSize; k++, i += next) {",
      lines: 5,
    },
  },
  {
    id: "llmfp4",
    name: "LLM-FP4 (FPQ)",
    bits: "W3 to W8, A3 to A8",
    quantizes: "weights, activations, both ends",
    calibration: true,
    gradient: false,
    cost: "hundreds of products per layer",
    paper: { title: "Liu et al. 2023", link: "https://arxiv.org/abs/2310.16836" },
    notebook: "llmfp4",
    source: "quant/methods/llmfp4.ts",
    equation: {
      source: "quant/methods/llmfp4/format.ts",
      tex:
        tex`\hat{x} = s \left\lfloor \tfrac{x}{s} \right\rceil, \qquad s = 2^{\max(1, \lfloor \log_2\lvert x\rvert + b\rfloor) - M - b}, \qquad
        b_j = \rho + \operatorname{clip}\left(\lfloor \tilde{b}_j \rceil - \lfloor \rho \rceil,\, 0,\, 2^E - 1\right)`,
      label: "section 4.3",
      anchor: "export function shiftedBiases(",
      lines: 6,
    },
  },
  {
    id: "crossquant",
    name: "CrossQuant",
    bits: "A2 to A8",
    quantizes: "activations, weights beside them",
    calibration: false,
    gradient: false,
    cost: "none",
    paper: { title: "Liu et al. 2024", link: "https://arxiv.org/abs/2410.07505" },
    notebook: "llmfp4",
    source: "quant/methods/crossquant.ts",
    equation: {
      tex: tex`\Delta_{ij} = \frac{t_i^{\alpha}\, c_j^{1-\alpha}}{2^{b-1} - 1}`,
      label: "eq. 5",
      anchor: "const step = steps[i] = ofRow * ofColumn[j] / most;",
      lines: 3,
    },
  },
];
