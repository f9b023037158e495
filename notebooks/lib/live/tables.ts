/** What the pages of the report measure in their reader's browser: per notebook a few controls, and a scheme for every choice of their values. */
import {
  awq,
  bcq,
  crossQuant,
  dgq,
  fp8,
  fptq,
  gptaq,
  gptq,
  hqq,
  kivi,
  kvquant,
  llmFp4,
  llmInt8,
  magnitude,
  mx,
  nf4,
  nvfp4,
  odyssey,
  qqq,
  qrazor,
  quarot,
  quik,
  rtn,
  type Scheme,
  smoothQuant,
  sparseGpt,
  spqr,
  wanda,
  zeroQuant,
} from "../../../mod.ts";

/** A control: its name, what the page calls it, and its values, the first of which the page begins with. */
export interface Control {
  readonly name: string;
  readonly label: string;
  readonly values: readonly (number | string)[];
}

/** One value of every control, in their order. */
export type Choice = readonly (number | string)[];

/** The cells of a notebook's page. */
export interface LiveTable {
  /** File name of the notebook, without its ending. */
  readonly notebook: string;
  /** Whose equation the cells follow: an entry of the methods page. */
  readonly method: string;
  readonly model: "fixture:llama" | "fixture:llama-outlier";
  readonly controls: readonly Control[];
  readonly scheme: (...choice: (number | string)[]) => Scheme;
}

const token = (b: number) => rtn({ bits: b, granularity: "token", symmetric: true });
const bits = (...values: number[]): Control => ({ name: "bits", label: "Bits", values });
const group = (...values: number[]): Control => ({ name: "groupSize", label: "Group size", values });
const whole = (size: number | string) => size === "row" ? {} : { groupSize: Number(size) };

const formats: Readonly<Record<string, NonNullable<Scheme["weights"]>>> = {
  MXFP4: mx({ element: "e2m1" }),
  NVFP4: nvfp4(),
  NF4: nf4(),
  FP4: nf4({ table: "fp4" }),
  FP8: fp8(),
  MXFP8: mx({ element: "e4m3" }),
  MXINT8: mx({ element: "int8" }),
};

/** In the order of the index. */
export const liveTables: readonly LiveTable[] = [
  {
    notebook: "rtn",
    method: "rtn",
    model: "fixture:llama",
    controls: [bits(4, 3, 2, 8), { name: "groupSize", label: "Group size", values: ["row", 128, 32] }],
    scheme: (b, g) => ({ weights: rtn({ bits: Number(b), ...whole(g) }) }),
  },
  {
    notebook: "smoothquant",
    method: "smoothquant",
    model: "fixture:llama-outlier",
    controls: [{ name: "alpha", label: "α", values: [0.5, 0, 0.25, 0.75, 1] }],
    scheme: (alpha) => ({
      transforms: [smoothQuant({ alpha: Number(alpha) })],
      weights: rtn({ bits: 8, symmetric: true }),
      activations: token(8),
    }),
  },
  {
    notebook: "gptq",
    method: "gptq",
    model: "fixture:llama",
    controls: [bits(4, 3, 2), group(64, 32)],
    scheme: (b, g) => ({ weights: gptq({ bits: Number(b), groupSize: Number(g) }) }),
  },
  {
    notebook: "llmint8",
    method: "llmint8",
    model: "fixture:llama-outlier",
    controls: [{ name: "threshold", label: "Threshold", values: [6, 3, 12, 1000] }],
    scheme: (threshold) => ({ linears: llmInt8({ threshold: Number(threshold) }) }),
  },
  {
    notebook: "zeroquant",
    method: "zeroquant",
    model: "fixture:llama",
    controls: [bits(8, 4), { name: "groups", label: "Groups", values: [64, 1, 16] }],
    scheme: (b, groups) => ({
      weights: zeroQuant({ bits: Number(b), groups: Number(groups) }),
      activations: zeroQuant({ bits: 8 }),
    }),
  },
  {
    notebook: "spqr",
    method: "spqr",
    model: "fixture:llama",
    controls: [bits(3, 2, 4), { name: "outlierThreshold", label: "τ", values: [0.25, 0.1] }],
    scheme: (b, outlierThreshold) => ({
      weights: spqr({ bits: Number(b), groupSize: 16, outlierThreshold: Number(outlierThreshold) }),
    }),
  },
  {
    notebook: "lutgemm",
    method: "lutgemm",
    model: "fixture:llama",
    controls: [bits(3, 2), group(64, 128)],
    scheme: (b, g) => ({ weights: bcq({ bits: Number(b), groupSize: Number(g), rounds: 5 }) }),
  },
  {
    notebook: "kivi",
    method: "kivi",
    model: "fixture:llama",
    controls: [bits(2, 4, 1), { name: "residualLength", label: "Residual length", values: [128, 32] }],
    scheme: (b, residualLength) => ({
      kv: kivi({ bits: Number(b), residualLength: Number(residualLength) }),
    }),
  },
  {
    notebook: "kvquant",
    method: "kvquant",
    model: "fixture:llama",
    controls: [bits(3, 2, 4)],
    scheme: (b) => ({ kv: kvquant({ bits: Number(b), weighting: "none" }) }),
  },
  {
    notebook: "qrazor",
    method: "qrazor",
    model: "fixture:llama",
    controls: [bits(4, 6, 8), group(16, 32)],
    scheme: (b, g) => ({ weights: qrazor({ bits: Number(b), groupSize: Number(g) }) }),
  },
  {
    notebook: "qqq",
    method: "qqq",
    model: "fixture:llama",
    controls: [{ name: "smoothing", label: "Smoothing", values: ["off", "on"] }],
    scheme: (smoothing) => ({
      weights: qqq({ smoothing: smoothing === "on", searchWindows: 1 }),
      activations: token(8),
    }),
  },
  {
    notebook: "rotation",
    method: "quarot",
    model: "fixture:llama-outlier",
    controls: [bits(4, 8), { name: "rotation", label: "Rotation", values: ["QuaRot", "none"] }],
    scheme: (b, rotation) => ({
      ...rotation === "QuaRot" && { transforms: [quarot()] },
      weights: rtn({ bits: Number(b), symmetric: true }),
      activations: token(Number(b)),
    }),
  },
  {
    notebook: "awq",
    method: "awq",
    model: "fixture:llama",
    controls: [bits(3, 4), { name: "clipping", label: "Clipping", values: ["off", "on"] }],
    scheme: (b, clipping) => ({
      weights: awq({
        bits: Number(b),
        groupSize: 64,
        clipping: clipping === "on",
        ratios: 5,
        searchWindows: 1,
      }),
    }),
  },
  {
    notebook: "quik",
    method: "quik",
    model: "fixture:llama-outlier",
    controls: [{ name: "method", label: "Method", values: ["QUIK", "GPTAQ"] }, bits(4, 8)],
    scheme: (method, b) =>
      method === "QUIK"
        ? {
          weights: quik({ bits: Number(b), kept: 16 }),
          activations: quik({ bits: Number(b), kept: 16 }),
        }
        : { weights: gptaq({ bits: Number(b) }), activations: token(Number(b)) },
  },
  {
    notebook: "formats",
    method: "mx",
    model: "fixture:llama",
    controls: [{
      name: "format",
      label: "Format",
      values: ["MXFP4", "NVFP4", "NF4", "FP4", "FP8", "MXFP8", "MXINT8"],
    }],
    scheme: (name) => ({ weights: formats[name] }),
  },
  {
    notebook: "hqq",
    method: "hqq",
    model: "fixture:llama",
    controls: [bits(4, 3, 2), { name: "iterations", label: "Iterations", values: [5, 0] }],
    scheme: (b, iterations) => ({
      weights: hqq({
        bits: Number(b),
        groupSize: 64,
        ...iterations === 0 ? { solver: "none" } : { iterations: Number(iterations) },
      }),
    }),
  },
  {
    notebook: "llmfp4",
    method: "llmfp4",
    model: "fixture:llama-outlier",
    controls: [{
      name: "scheme",
      label: "Scheme",
      values: ["MinMax", "CrossQuant", "FPQ baseline", "FPQ"],
    }],
    scheme: (name) => {
      if (name === "CrossQuant") return { activations: crossQuant({ bits: 4 }) };
      const search = ({ FPQ: "channel", "FPQ baseline": "tensor", MinMax: "none" } as const)[name];
      return { linears: llmFp4({ rounds: 1, steps: 10, from: 0.8, to: 1.2, search }) };
    },
  },
  {
    notebook: "sparsity",
    method: "wanda",
    model: "fixture:llama",
    controls: [
      { name: "method", label: "Method", values: ["Wanda", "magnitude", "SparseGPT"] },
      { name: "pattern", label: "Pattern", values: ["unstructured", "2:4"] },
    ],
    scheme: (method, given) => {
      const pattern = String(given);
      if (method === "Wanda") return { sparsity: wanda({ pattern }) };
      return { sparsity: method === "magnitude" ? magnitude({ pattern }) : sparseGpt({ pattern }) };
    },
  },
  {
    notebook: "w4a8",
    method: "dgq",
    model: "fixture:llama-outlier",
    controls: [{
      name: "method",
      label: "Method",
      values: ["FPTQ", "rounded", "QQQ", "OdysseyLLM", "DGQ"],
    }],
    scheme: (method) => {
      const own = dgq();
      const weights = rtn({ bits: 4, groupSize: 128, symmetric: true });
      switch (method) {
        case "DGQ":
          return { transforms: [own], weights: own, activations: own, query: own, key: own, value: own };
        case "OdysseyLLM":
          return { weights: odyssey({ steps: 16, learningRate: 0.04 }), activations: token(8) };
        case "FPTQ":
          return { transforms: [fptq()], weights, activations: fptq() };
        case "QQQ":
          return {
            weights: qqq({ thresholds: 3, searchWindows: 1, groupSize: 128 }),
            activations: token(8),
          };
        default:
          return { weights, activations: token(8) };
      }
    },
  },
];
