/** Descriptions of options that verbs share; what reads them stands in `model_options.ts`, which loads the suite. */
import type { VerbOption } from "./verb.ts";

/** Options that name one part of a scheme, and the part. */
export const schemeParts = {
  transforms: "transforms",
  sparsity: "sparsity",
  weights: "weights",
  activations: "activations",
  kv: "kv",
  linears: "linears",
} as const;

/** A scheme. */
export const schemeOptions: readonly VerbOption[] = [
  { flags: "--scheme TEXT", about: "a whole scheme: text, or a file with text or JSON" },
  { flags: "--transforms A+B", about: "rewrites before anything is rounded, such as smoothQuant:0.55" },
  { flags: "--sparsity METHOD", about: "what removes weights, such as sparseGpt:0.5 or wanda:pattern=2:4" },
  { flags: "--weights METHOD", about: "what quantizes weights, such as gptq:4:g128,actOrder" },
  { flags: "--activations METHOD", about: "what rounds activations, such as rtn:8,granularity=token" },
  { flags: "--kv METHOD", about: "what quantizes the cache, such as kivi:2" },
  {
    flags: "--linears METHOD",
    about: "what owns the products of linear layers: llmFp4, llmInt8 or svdQuant",
  },
];

/** What the card of a written model says beside how it was made. */
export const cardOptions: readonly VerbOption[] = [
  { flags: "--measure", about: "measure its perplexity first, for the card and the files" },
  { flags: "--receipt FILE", about: "a receipt whose hash they carry" },
];

/** Where finished layers are kept. */
export const resumeOption: VerbOption = {
  flags: "--resume DIR",
  about: "keep finished layers there, and go on where a run that was ended has been",
};

/** The text that methods calibrate on. */
export const calibrationOptions: readonly VerbOption[] = [
  {
    flags: "--calibration TEXT",
    about: "text to calibrate on: sotu, moby, calibration or a file",
    fallback: "calibration",
  },
  { flags: "--calibration-windows N", about: "windows of it", fallback: "16" },
  { flags: "--calibration-length N", about: "tokens of a window", fallback: "512, or the model's positions" },
  { flags: "--seed N", about: "seed that draws them", fallback: "0" },
];

/** The text that is measured. */
export const textOptions: readonly VerbOption[] = [
  { flags: "--text TEXT", about: "text to measure on: sotu, moby or a file", fallback: "sotu" },
  { flags: "--windows N", about: "windows of it", fallback: "16" },
  { flags: "--length N", about: "tokens of a window", fallback: "512, or the model's positions" },
];

/** A task that is measured. */
export const taskOptions: readonly VerbOption[] = [
  {
    flags: "--task NAME",
    about: "a task of lm-evaluation-harness, such as arc_easy, lambada_openai or mmlu_biology",
  },
  { flags: "--data PATH", about: "task: its rows, a directory, a file or hub", fallback: "the suite's own" },
  { flags: "--limit N", about: "task: first examples that are asked", fallback: "all" },
  { flags: "--shots N", about: "task: worked examples before each question", fallback: "the task's" },
  {
    flags: "--harness VERSION",
    about: "task: whose numbers",
    choices: ["0.4.8", "0.4.13"],
    fallback: "0.4.8",
  },
  { flags: "--out DIR", about: "task: write lm-evaluation-harness' files, and a record of Every Eval Ever" },
  { flags: "--organization NAME", about: "task: who measures, for that record", fallback: "unknown" },
];

/** How models are opened and run. */
export const modelOptions: readonly VerbOption[] = [
  {
    flags: "--device NAME",
    about: "where models run",
    choices: ["cpu", "gpu", "native"],
    fallback: "QUANTBOOK_DEVICE, or cpu",
  },
  { flags: "--streaming", about: "hold one layer at a time on the device: slower, for large models" },
  { flags: "--strict", about: "refuse a model whose files say what is not used" },
];

/** What a model may be. */
export const modelWord = {
  name: "MODEL",
  about: "fixture:llama, a directory, a .safetensors or .gguf file, or a name on the Hugging Face hub",
};

/** The files that are written; the formats are those of `quant/formats/export.ts`, which is not loaded for it. */
export const formatOption: VerbOption = {
  flags: "--format NAME",
  about: "files of which runtime",
  choices: ["gptq", "marlin", "compressed-tensors", "gguf", "onnx"],
  fallback: "gguf",
};
