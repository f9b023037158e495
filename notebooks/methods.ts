/** The methods of the suite as the report presents them: each with its equation and the lines that implement it. */

const tex = String.raw;

/** In the order in which the report lists them. */
export const methods: readonly MethodEntry[] = [
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
    source: "quant/methods/rtn.ts",
    equation: {
      tex: tex`q = \operatorname{clip}\left(\left\lfloor \tfrac{x}{s} \right\rceil + z,\; 0,\; 2^b - 1\right),
        \qquad \hat{x} = s\,(q - z)`,
      label: "section 2.2",
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
    source: "quant/methods/smoothquant.ts",
    equation: {
      tex: tex`s_j = \frac{\max\lvert X_j\rvert^{\alpha}}{\max\lvert W_j\rvert^{1-\alpha}}`,
      label: "eq. 4",
      anchor: "export function smoothingScales(",
      lines: 10,
    },
  },
  {
    id: "gptq",
    name: "GPTQ",
    bits: "W2 to W8",
    quantizes: "weights",
    calibration: true,
    gradient: false,
    cost: "a Hessian and a Cholesky factor per layer",
    paper: { title: "Frantar et al. 2023", link: "https://arxiv.org/abs/2210.17323" },
    notebook: "gptq",
    source: "quant/methods/gptq.ts",
    equation: {
      source: "quant/compensation/steps.ts",
      tex: tex`e_j = \frac{w_j - \hat{w}_j}{U_{jj}}, \qquad W_{:,k} \leftarrow W_{:,k} - e_j\, U_{jk}
        \quad (k > j), \qquad H^{-1} = U^{\mathsf T} U`,
      label: "algorithm 1",
      anchor: "error.set(values);",
      lines: 8,
    },
  },
  {
    id: "llmint8",
    name: "LLM.int8()",
    bits: "W8 A8",
    quantizes: "weights, activations; outlier columns stay",
    calibration: false,
    gradient: false,
    cost: "one pass over the weights, outliers found as they come",
    paper: { title: "Dettmers et al. 2022", link: "https://arxiv.org/abs/2208.07339" },
    notebook: "llmint8",
    source: "quant/methods/llmint8.ts",
    equation: {
      source: "quant/weights/int8.ts",
      tex:
        tex`Y = X_{:,O}\, W_{:,O}^{\mathsf T} + S \odot \left(X_{\mathrm{i8}} W_{\mathrm{i8}}^{\mathsf T}\right),
        \qquad S_{ti} = \frac{\max\lvert X_t\rvert \, \max\lvert W_i\rvert}{127^2}`,
      label: "eq. 8",
      anchor: "export function dequantizeSums(",
      lines: 15,
    },
  },
  {
    id: "zeroquant",
    name: "ZeroQuant",
    bits: "W4 to W8, A8",
    quantizes: "weights in groups, activations per token",
    calibration: false,
    gradient: false,
    cost: "one pass over the weights",
    paper: { title: "Yao et al. 2022", link: "https://arxiv.org/abs/2206.01861" },
    notebook: "zeroquant",
    source: "quant/methods/zeroquant.ts",
    equation: {
      tex: tex`s = \frac{2 \max\lvert x\rvert}{2^b}, \qquad
        \hat{x} = s \operatorname{clip}\left(\left\lfloor \tfrac{x}{s} \right\rceil,\, -2^{b-1},\, 2^{b-1} - 1\right)`,
      label: "section 4.1",
      anchor: "export function symmetricGroups(",
      lines: 16,
    },
  },
  {
    id: "spqr",
    name: "SpQR",
    bits: "W2 to W4, outliers apart",
    quantizes: "weights",
    calibration: true,
    gradient: false,
    cost: "GPTQ, and a trial without each weight",
    paper: { title: "Dettmers et al. 2024", link: "https://arxiv.org/abs/2306.03078" },
    notebook: "spqr",
    source: "quant/methods/spqr.ts",
    equation: {
      tex: tex`(i, j) \text{ is an outlier} \iff \left(\frac{w_{ij} - \hat{w}_{ij}}{U_{jj}}\right)^2 > \tau`,
      label: "algorithm 1",
      anchor: "const quantizer = { scale: scale[row], zero: zero[row] }",
      lines: 7,
    },
  },
  {
    id: "lutgemm",
    name: "LUT-GEMM (binary coding)",
    bits: "W2 to W4",
    quantizes: "weights",
    calibration: false,
    gradient: false,
    cost: "an alternating fit per group",
    paper: { title: "Park et al. 2024", link: "https://arxiv.org/abs/2206.09557" },
    notebook: "lutgemm",
    source: "quant/methods/bcq.ts",
    equation: {
      source: "kernels/host/binary_fit.ts",
      tex: tex`\hat{w} = \sum_{i=1}^{b} \alpha_i B_i, \quad B_i \in \{-1, +1\}^g; \qquad
        B_i = \operatorname{sign}(r_{i-1}), \quad \alpha_i = \tfrac{1}{g} \lVert r_{i-1} \rVert_1`,
      label: "section 3.1",
      anchor: "for (let j = 0; j < groupSize; j++) sum += abs(rest[j]);",
      lines: 6,
    },
  },
  {
    id: "kivi",
    name: "KIVI",
    bits: "K2 V2, K4 V4",
    quantizes: "key-value cache",
    calibration: false,
    gradient: false,
    cost: "none before use",
    paper: { title: "Liu et al. 2024", link: "https://arxiv.org/abs/2402.02750" },
    notebook: "kivi",
    source: "quant/methods/kivi.ts",
    equation: {
      source: "quant/caches/kivi/groups.ts",
      tex: tex`q = \left\lfloor \frac{x - \min x}{s} \right\rceil, \qquad s = \frac{\max x - \min x}{2^b - 1},
        \qquad \hat{x} = q\, s + \min x`,
      label: "section 2",
      anchor: "const scale = round(round(most - least, half) / top, half)",
      lines: 13,
    },
  },
  {
    id: "kvquant",
    name: "KVQuant",
    bits: "KV 2 to 4",
    quantizes: "key-value cache, keys before rotation",
    calibration: true,
    gradient: true,
    cost: "Fisher information and k-means per layer",
    paper: { title: "Hooper et al. 2024", link: "https://arxiv.org/abs/2401.18079" },
    notebook: "kvquant",
    source: "quant/methods/kvquant.ts",
    equation: {
      source: "quant/grids/codebook.ts",
      tex: tex`Q^{*} = \arg\min_{Q} \sum_i \mathcal{F}_{ii}\, \bigl(x_i - Q(x_i)\bigr)^2`,
      label: "section 3.3",
      anchor: "function lloyd(",
      lines: 12,
    },
  },
  {
    id: "qrazor",
    name: "QRazor",
    bits: "W4 A4 KV4",
    quantizes: "weights, activations, key-value cache",
    calibration: false,
    gradient: false,
    cost: "one pass over the weights",
    paper: { title: "Lee et al. 2025", link: "https://arxiv.org/abs/2501.13331" },
    notebook: "qrazor",
    source: "quant/methods/qrazor.ts",
    equation: {
      source: "quant/grids/razor.ts",
      tex: tex`n = \bigl\lfloor \log_2 \max_i \lvert q_i \rvert \bigr\rfloor + 1, \qquad
        \hat{q}_i = 2^{d} \left\lfloor q_i / 2^{d} \right\rceil, \quad d = \max(0,\; n + 1 - r)`,
      label: "section 3",
      anchor: "const length = 32 - Math.clz32(union);",
      lines: 15,
    },
  },
  {
    id: "qqq",
    name: "QQQ",
    bits: "W4 A8",
    quantizes: "weights, activations",
    calibration: true,
    gradient: false,
    cost: "a search of thresholds, then GPTQ",
    paper: { title: "Zhang et al. 2024", link: "https://arxiv.org/abs/2406.09904" },
    notebook: "qqq",
    source: "quant/methods/qqq.ts",
    equation: {
      tex: tex`s_j(t) = \max\left(1,\; \frac{\max X_j}{t},\; \frac{-\min X_j}{t}\right)`,
      label: "adaptive smoothing",
      anchor: "Math.max(1, x / threshold, -least[j] / threshold)",
      lines: 1,
    },
  },
  {
    id: "quarot",
    name: "QuaRot",
    bits: "W4 A4 KV4",
    quantizes: "nothing itself: rotates what other methods round",
    calibration: false,
    gradient: false,
    cost: "one pass over the weights, Hadamard transforms for every token",
    paper: { title: "Ashkboos et al. 2024", link: "https://arxiv.org/abs/2404.00456" },
    notebook: "rotation",
    source: "quant/methods/quarot.ts",
    equation: {
      source: "quant/transforms/rotate_model.ts",
      tex: tex`x W^{\mathsf T} = (x Q)\,(W Q)^{\mathsf T}, \qquad
        Q = \operatorname{diag}(\pm 1)\, H / \sqrt{n}`,
      label: "section 4",
      anchor: "const norm = this.#normOf(role);",
      lines: 13,
    },
  },
  {
    id: "spinquant",
    name: "SpinQuant",
    bits: "W4 A4 KV4",
    quantizes: "nothing itself: learns the rotations",
    calibration: true,
    gradient: true,
    cost: "100 steps through the whole model",
    paper: { title: "Liu et al. 2025", link: "https://arxiv.org/abs/2405.16406" },
    notebook: "rotation",
    source: "quant/methods/spinquant.ts",
    equation: {
      source: "quant/gradients/cayley.ts",
      tex:
        tex`R \leftarrow \left(I - \tfrac{\alpha}{2} A\right)^{-1} \left(I + \tfrac{\alpha}{2} A\right) R, \qquad
        A = \hat G - \hat G^{\mathsf T}`,
      label: "eq. 3 and 4",
      anchor: "function cayley(",
      lines: 15,
    },
  },
  {
    id: "gptaq",
    name: "GPTAQ",
    bits: "W2 to W8",
    quantizes: "weights",
    calibration: true,
    gradient: false,
    cost: "GPTQ, and the float model beside the quantized one",
    paper: { title: "Li et al. 2025", link: "https://arxiv.org/abs/2504.02692" },
    source: "quant/methods/gptaq.ts",
    equation: {
      source: "quant/compensation/drift.ts",
      tex: tex`P = \alpha\, \operatorname{triu}_{+}\!\left(D\, U^{\mathsf T}\right) U, \qquad
        D = (X_{\mathrm{float}} - X)\, X^{\mathsf T}, \qquad W_{:,k} \leftarrow W_{:,k} + w_j\, P_{jk}`,
      label: "algorithm 1",
      anchor: "subtractProduct(whole(inner), whole(d)",
      lines: 7,
    },
  },
  {
    id: "quik",
    name: "QUIK",
    bits: "W4 A4, columns apart",
    quantizes: "weights, activations; outlier columns stay",
    calibration: true,
    gradient: false,
    cost: "the largest inputs over a text, then GPTQ",
    paper: { title: "Ashkboos et al. 2024", link: "https://arxiv.org/abs/2310.09259" },
    source: "quant/methods/quik.ts",
    equation: {
      tex: tex`Y = X_{:,O}\, W_{:,O}^{\mathsf T} + \hat{X}_{:,\bar O}\, \hat{W}_{:,\bar O}^{\mathsf T}, \qquad
        O = \text{the } k \text{ columns with the largest } \max\lvert X_j\rvert`,
      label: "section 3",
      anchor: "const loss = yield* compensationSteps(problem, (column, j) => {",
      lines: 13,
    },
  },
  {
    id: "awq",
    name: "AWQ",
    bits: "W3, W4",
    quantizes: "weights",
    calibration: true,
    gradient: false,
    cost: "a grid of ratios per block",
    paper: { title: "Lin et al. 2024", link: "https://arxiv.org/abs/2306.00978" },
    notebook: "awq",
    source: "quant/methods/awq.ts",
    equation: {
      tex: tex`s_j = \frac{m_j^{\,r}}{\sqrt{\max_k m_k^{\,r} \, \min_k m_k^{\,r}}}, \qquad
        m_j = \operatorname{mean} \lvert X_j \rvert`,
      label: "eq. 5",
      anchor: "const raw = meanMagnitude.map(",
      lines: 3,
    },
  },
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
];

/** A method of the suite. */
export interface MethodEntry {
  readonly id: string;
  readonly name: string;
  /** Such as `"W4"` or `"K2 V2"`. */
  readonly bits: string;
  /** What is quantized, such as `"weights"`. */
  readonly quantizes: string;
  readonly calibration: boolean;
  readonly gradient: boolean;
  /** What it takes, in a phrase. */
  readonly cost: string;
  readonly paper: { readonly title: string; readonly link: string };
  /** The name of its notebook, when there is one. */
  readonly notebook?: string;
  /** Its file, such as `"quant/methods/gptq.ts"`. */
  readonly source: string;
  /** The central equation as TeX, and where it stands in the source. */
  readonly equation?: {
    readonly tex: string;
    /** The file of the lines, where that is not `source`. */
    readonly source?: string;
    /** Its place in the paper, such as `"eq. 4"`. */
    readonly label: string;
    /** Text of the first line shown; must occur in the file. */
    readonly anchor: string;
    /** How many lines are shown. */
    readonly lines: number;
  };
}
