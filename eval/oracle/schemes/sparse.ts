/** Schemes that compute what the code of SparseGPT and of Wanda computed (`golden/methods2/sparse-obq`). */
import { magnitude } from "../../../quant/methods/magnitude.ts";
import { sparseGpt } from "../../../quant/methods/sparsegpt.ts";
import { wanda } from "../../../quant/methods/wanda.ts";
import { type GoldenReader, unknownId } from "./golden.ts";

/** `{ nsamples, percdamp, sparsity, prunen, prunem, blocksize, wbits, true_sequential }`; `prunen` counts zeros, our patterns what stays. */
export const readSparseGpt: GoldenReader = (result) => {
  const { config } = result;
  const { nsamples, percdamp, sparsity, prunen, prunem, blocksize, wbits } = config as Readonly<
    Record<string, number>
  >;
  if (config["prune_only"] || config["invert"] || config["minlayer"] !== -1 || config["maxlayer"] !== 1000) {
    throw unknownId(result, "no filter of layers: the original code raises a KeyError with one");
  }
  const pattern = prunen === 0 ? "unstructured" : `${prunem - prunen}:${prunem}`;
  const scheme = sparseGpt({
    sparsity: prunen === 0 ? sparsity : 0.5,
    pattern,
    blockSize: blocksize,
    percdamp,
    trueSequential: config["true_sequential"] === true,
    ...wbits < 16 && { bits: wbits },
  });
  return { scheme: { sparsity: scheme }, calibrationWindows: nsamples };
};

/** `{ method, sparsity, pattern, nsamples, variant }`, of Wanda's repository. */
export const readWanda: GoldenReader = ({ config }) => {
  const { sparsity, pattern, nsamples, variant } = config as {
    readonly sparsity: number;
    readonly pattern: string;
    readonly nsamples: number;
    readonly variant: boolean;
  };
  const scheme = wanda({ sparsity, pattern, shares: variant && pattern === "unstructured" });
  return { scheme: { sparsity: scheme }, calibrationWindows: nsamples };
};

/** Of either repository, which agree. */
export const readMagnitude: GoldenReader = ({ config }) => {
  const { sparsity, pattern = "unstructured" } = config as { sparsity: number; pattern?: string };
  return { scheme: { sparsity: magnitude({ sparsity, pattern }) }, calibrationWindows: 0 };
};
