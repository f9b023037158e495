/**
 * What is known to be wrong or unclear in the published text and its code, found by reading and running it (SPEC section
 * 13). Those that are arithmetic name the rule that finds them without this list; the others can only be recorded.
 */
import type { ErratumKind } from "./erratum.ts";

/** One recorded finding. */
export interface Finding {
  /** Number in SPEC section 13. */
  readonly number: number;
  /** In numbers that contradict each other, in the text around them, or in the code. */
  readonly place: "numbers" | "text" | "code";
  /** The rules of the engine that find it; none where numbers alone do not tell. */
  readonly rules: readonly ErratumKind[];
  /** What it is. */
  readonly finding: string;
}

const numbers = (number: number, rules: readonly ErratumKind[], finding: string): Finding => ({
  ...{ number, place: "numbers", rules, finding },
});
const text = (number: number, finding: string): Finding => ({ number, place: "text", rules: [], finding });
const code = (number: number, finding: string): Finding => ({ number, place: "code", rules: [], finding });

/** All 37, in the order of the specification. */
export const findings: readonly Finding[] = [
  numbers(
    1,
    ["crossTable"],
    "One model has several 16-bit baselines: perplexity 7.22 or 7.24, accuracy 71.81 or 71.89, GSM8K 75.97 or 76.27.",
  ),
  numbers(
    2,
    ["crossTable"],
    "The LLM.int8() table sets its own baseline of 7.24 beside rows that were measured against 7.22.",
  ),
  numbers(
    3,
    ["crossTable"],
    "4-bit round to nearest is 9.46 or 9.51, 4-bit GPTQ 8.59, 9.03 or 8.39, at the same nominal setting.",
  ),
  text(
    4,
    "The flag that says whether a prompt sees the quantized cache is stated the wrong way round for KIVI and KVQuant.",
  ),
  code(5, "Perplexity on C4 uses as many windows as WikiText-2 happens to have."),
  numbers(
    6,
    ["average", "column"],
    "OPT-6.7B: the averages include the column of bits, and the C4 column is OPT-2.7B's.",
  ),
  numbers(
    7,
    ["average"],
    "SpQR's table: the average of 3-bit GPTQ is printed as 42.30, its row gives 45.30.",
  ),
  numbers(
    8,
    ["annotation"],
    "Two perplexities beside samples of text are not those of the tables: SpQR 11.49 and 11.77, QRazor 8.37 and 8.34.",
  ),
  text(
    9,
    "The text on ZeroQuant W4/8A16 says the reverse of its table: it lies between GPTQ and round to nearest.",
  ),
  text(
    10,
    "Headings: four tasks where six are listed, a column of cache bits over weights, names of scripts that are not there.",
  ),
  text(11, "The settings stated for SmoothQuant are not those of the script that is there."),
  code(12, "The default flags quantize weights per tensor and activations per column."),
  code(13, "Symmetric quantization changed its meaning between revisions."),
  code(14, "Without options the weights are quantized to 4 bits."),
  code(15, "KIVI and KVQuant load full-precision weights again: they cannot be combined with anything."),
  code(16, "KVQuant leaves every generated token unquantized when one sequence is decoded."),
  numbers(
    17,
    ["effectiveBits", "crossTable"],
    "QRazor: effective bits are rounded up, and a GPTQ row differs from the GPTQ section.",
  ),
  numbers(
    18,
    ["effectiveBits"],
    "QRazor W4A8 with groups of 64 is printed with 4.06 bits; its formula gives 4.05.",
  ),
  code(19, "GPTQ of OPT, Gemma and Qwen ignores symmetric mode and QRazor."),
  code(20, "GPTQ takes the ranges of groups from before the updates within a block of 128 columns."),
  code(21, "LLM.int8(), SpQR and ZeroQuant's distillation do not run at the last revision."),
  code(22, "LLM.int8() multiplies its outlier columns with weights that went through 8 bits."),
  code(23, "ZeroQuant's groups of the gate and up projections straddle rows."),
  code(24, "ZeroQuant's distillation attends to later tokens and decays norms."),
  code(25, "LUT-GEMM's binary codes have no offset, hence perplexities far above round to nearest."),
  text(
    26,
    "The two shape columns of the kernel table are probably swapped, and its GPTQ column is 3-bit throughout.",
  ),
  code(27, "The signal-to-noise ratio is infinite when errors cancel in sum."),
  code(
    28,
    "Retrieval samples from the model, its prompt ends in a blank, and chats begin with two start tokens.",
  ),
  code(29, "Options that do nothing, and divisions by zero that nothing guards."),
  numbers(
    30,
    ["crossTable"],
    "GSM8K of 4-bit round to nearest and GPTQ is 50.57 and 57.54 in one section, 69.75 and 70.96 in another.",
  ),
  text(
    31,
    "The AWQ row has no implementation, the BigBench task no name, KVQuant's codebooks are not there.",
  ),
  text(32, "Tables of the GPTQ paper as quoted have holes and cut rows."),
  numbers(33, ["crossTable"], "OPT perplexities of 16 bits and GPTQ are not quite those of the paper."),
  code(34, "The family of a model is guessed from its path."),
  code(35, "The full-precision weights to compare with are taken after smoothing."),
  text(36, "QQQ has neither code nor tables, only speed-ups of its abstract."),
  code(37, "Much code cannot be reached from the main program."),
];
