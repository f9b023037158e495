/**
 * How text is split before merges apply, by `tokenizer.ggml.pre`, and what llama.cpp's loader takes from the same name: whether a text
 * begins with a token, and whether a piece of the vocabulary is one token whatever the merges say. Patterns are those of the models'
 * own tokenizers; where llama.cpp runs several one after the other, they are the steps of a sequence.
 */
import type { JsonObject } from "../../base/json.ts";

/** What a name in `tokenizer.ggml.pre` stands for. */
export interface PreTokenizer {
  /** Steps of a `tokenizer.json`'s pre-tokenizer. */
  readonly steps: readonly JsonObject[];
  /** Whether a piece of the vocabulary is one token. */
  readonly ignoreMerges?: boolean;
  /** Whether a text begins with the beginning-of-text token, unless the file says. */
  readonly addBos?: boolean;
}

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const blanks = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const words = "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+", symbols = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*";

/** Contractions, words, numbers of so many digits, symbols, blanks. */
function common(digits: string): string {
  return [contractions, words, digits, symbols, blanks].join("|");
}

const llama3 = common("\\p{N}{1,3}"), qwen2 = common("\\p{N}");
const upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]", lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";

/** Words by their capitals; `ending` may follow them. */
function cased(ending: string): string {
  const before = "[^\\r\\n\\p{L}\\p{N}]?";
  return `${before}${upper}*${lower}+${ending}|${before}${upper}+${lower}*${ending}`;
}

const slashed = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*";
const gpt4o = [cased(`${contractions}?`), "\\p{N}{1,3}", slashed, blanks].join("|");
const tekken = [cased(""), "\\p{N}", slashed, blanks].join("|");
const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const ascii = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+";
const marked = "[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+";
const deepseek3 = [
  "\\p{N}{1,3}",
  "[一-龥\u3040-ゟ゠-ヿ]+",
  [ascii, marked, " ?[\\p{P}\\p{S}]+[\\r\\n]*", blanks].join("|"),
];
/** Letters that have case, as DeepSeek lists them. */
const letters =
  "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-" +
  "\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-" +
  "\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf" +
  "\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-" +
  "\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc" +
  "\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115" +
  "\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e" +
  "\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-" +
  "\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a" +
  "\u{10400}-\u{1044f}\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}" +
  "\u{118a0}-\u{118df}\u{1e900}-\u{1e943}";
const sentence = " ?[^(\\s|.,!?…。，、।۔،)]+";
const punctuation = "[\\p{P}\\$\\+<=>\\^~\\|";

/** The names, each with what it stands for. */
const groups: readonly (readonly [names: string, meaning: PreTokenizer])[] = [
  ["default", splits(`${punctuation}]+`, gpt2, "\\p{N}+", "[0-9][0-9][0-9]")],
  [
    "gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert exaone4 mpt olmo jais trillion " +
    "granite-docling jina-v1-en jina-v2-code roberta-bpe",
    { steps: [byteLevel(true)] },
  ],
  [
    "smollm starcoder refact command-r codeshell exaone minerva-7b mellum2",
    { steps: [{ type: "Digits", individual_digits: true }, byteLevel(true)] },
  ],
  [
    "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
    { ...splits(llama3), ignoreMerges: true, addBos: true },
  ],
  ["dbrx smaug-bpe chatglm-bpe", splits(llama3)],
  ["glm4 glm5", { ...splits(llama3), ignoreMerges: true }],
  [
    "jais-2",
    splits(
      [
        contractions,
        words,
        "\\p{N}{1,3}",
        symbols,
        "\\s*[\\r\\n]+",
        ...[512, 256, 128, 64, 32, 16, 8, 4].map((count) => `\\s{${count}}(?!\\S)`),
        "\\s{1,2}(?!\\S)",
        "\\s{1}",
      ].join("|"),
    ),
  ],
  ["qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2", splits(qwen2)],
  [
    "qwen35",
    splits([
      contractions,
      "[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+",
      "\\p{N}",
      " ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*",
      blanks,
    ].join("|")),
  ],
  ["ufakzeka", splits([words, "\\p{N}", symbols, blanks].join("|"))],
  ["laguna", splits("[^\\n]+|[\\n]+", qwen2)],
  ["minicpm5", { ...splits("\\p{N}{1,3}", common("\\p{N}+")), ignoreMerges: true }],
  ["seed-coder", splits([contractions, words, "\\p{N}{1}", " ?[^\\s\\p{L}\\p{N}\\r\\n]+", blanks].join("|"))],
  [
    "bailingmoe bailingmoe2 llada-moe",
    splits(
      [
        "'(?i:[sdmt]|ll|ve|re)",
        "[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+",
        "\\p{N}",
        " ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*",
        "\\s*[\\r\\n]",
        "\\s+(?!\\S)",
        "\\s+",
      ].join("|"),
    ),
  ],
  [
    "exaone-moe",
    splits(
      [
        contractions,
        // As `(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+`, without a repeat of a repeat.
        "[^\\r\\n\\p{L}\\p{N}]?\\p{L}(?:\\p{M}| ?\\p{L})*",
        "\\p{N}",
        " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?",
        "\\s*[\\r\\n]",
        "\\s+(?!\\S)",
        "\\s+",
      ].join("|"),
    ),
  ],
  ["gpt-4o llama4 kanana2 talkie minimax-m2", splits(gpt4o)],
  ["tiny_aya cohere2moe", splits("\\d{1,3}(?=(?:\\d{3})*\\b)", gpt4o)],
  ["tekken", { ...splits(tekken), ignoreMerges: true, addBos: true }],
  ["deepseek-v3 hunyuan-dense joyai-llm hy_v4", splits(...deepseek3)],
  [
    "deepseek-llm",
    splits(
      "[\\r\\n]",
      `\\s?[${letters}]+`,
      "\\s?[!-/:-~！-／：-～‘-‟\u3000-。]+",
      "\\s+$",
      "[一-龥ࠀ-一가-\ud7ff]+",
      "\\p{N}+",
    ),
  ],
  ["deepseek-coder", splits("[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[一-龥ࠀ-一가-\ud7ff]+", "\\p{N}")],
  ["falcon", splits(`${punctuation}\`]+`, gpt2, "[0-9][0-9][0-9]")],
  ["poro-chat bloom gpt3-finnish", splits(sentence)],
  ["viking", splits(sentence, "\\p{N}")],
  [
    "chameleon",
    {
      ...splits(
        "<sentinel:[0-9]+>",
        "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
        "([\\t\\n]|    |  )",
        "\\p{N}",
        "[\\p{P}!-/:-@\\[-`{-~]",
        gpt2,
      ),
      addBos: true,
    },
  ],
];

/** All names. */
export const preTokenizers: ReadonlyMap<string, PreTokenizer> = new Map(
  groups.flatMap(([names, meaning]) => names.split(" ").map((name) => [name, meaning] as const)),
);

function splits(...patterns: readonly string[]): PreTokenizer {
  const steps = patterns.map((pattern) => ({
    type: "Split",
    pattern: { Regex: pattern },
    behavior: "Isolated",
    invert: false,
  }));
  return { steps: [...steps, byteLevel(false)] };
}

/** Bytes as letters; `regex` splits as GPT-2 does. */
export function byteLevel(regex: boolean): JsonObject {
  return { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: regex };
}
