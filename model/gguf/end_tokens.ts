/**
 * The tokens that end what a model says, by llama.cpp's rules: those that the file names, and those that are known by their text, since
 * files rarely name all of them (https://github.com/ggml-org/llama.cpp/issues/9606).
 */

/** Texts of tokens that end a turn or a text, whatever their type. */
const ends = new Set([
  ...[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
  ],
  ...["<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<eos>"],
  ...["<end_of_utterance>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~["],
]);

/** Tokens of other kinds of prompts at which a text ends as well: padding, repository and file marks of code models. */
const marks = [
  { key: "fim_pad_token_id", texts: ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"] },
  {
    key: "fim_rep_token_id",
    texts: ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"],
  },
  { key: "fim_sep_token_id", texts: ["<|file_sep|>"] },
];

/** Whether a token of this text is a control token, even where the file says that it is none. */
export function isEndText(text: string): boolean {
  return ends.has(text) || marks.some(({ texts }) => texts.includes(text));
}

/**
 * Ids of all tokens that end a text, in order.
 *
 * @param named the id that the file gives under a key of `tokenizer.ggml.`
 */
export function endTokens(
  tokens: readonly string[],
  named: (key: string) => number | undefined,
): readonly number[] {
  const found = new Set<number>();
  for (const [id, token] of tokens.entries()) if (ends.has(token)) found.add(id);
  for (const { key, texts } of marks) {
    const id = named(key) ?? texts.map((text) => tokens.indexOf(text)).find((one) => one >= 0);
    if (id !== undefined) found.add(id);
  }
  for (const key of ["eos_token_id", "eot_token_id", "eom_token_id"]) {
    const id = named(key);
    if (id !== undefined) found.add(id);
  }
  const has = (text: string) => [...found].some((id) => tokens[id] === text);
  // Where other tokens end a message, these two are parts of one.
  const calls = (has("<|return|>") && has("<|call|>")) ||
    (has("<|calls|>") || has("<|call|>")) && has("<|flush|>");
  if (calls) found.delete(tokens.indexOf("<|end|>"));
  if (has("<|tool_response>") || has("<|plamo:eos|>")) found.delete(tokens.indexOf("</s>"));
  return [...found].sort((a, b) => a - b);
}
