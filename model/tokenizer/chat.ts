/**
 * Chat templates: a conversation as the text that a model was trained on. Templates come with a checkpoint and are programs
 * (Jinja): they run in a worker that is ended when they take too long.
 */
import { TokenizerError } from "./error.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A message of a conversation. */
export interface ChatMessage {
  /** Who speaks: usually `system`, `user` or `assistant`. */
  readonly role: string;
  /** What is said. */
  readonly content: string;
}

/** What the worker is asked. */
export interface ChatRequest {
  /** The Jinja template. */
  readonly template: string;
  /** Variables of the template. */
  readonly variables: Record<string, unknown>;
}

/** What it answers: the text, or what went wrong. */
export type ChatAnswer = { readonly text: string } | { readonly error: string };

/** Real templates take milliseconds. */
const limitSeconds = 1.5;

/**
 * Renders a conversation with the tokenizer's chat template, up to where the assistant begins to speak.
 *
 * @throws {TokenizerError} `missing` when there is no template, `format` when it cannot be rendered (`chat_template` is named)
 *
 * @example
 * ```ts
 * import { renderChat } from "quantbook";
 * import { loadTokenizer } from "quantbook/model";
 * import { assertEquals } from "@std/assert";
 *
 * const plain = await loadTokenizer("fixtures/models/llama");
 * const template = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant]";
 * const text = await renderChat({ ...plain, chatTemplate: template }, [{ role: "user", content: "Hello" }]);
 * assertEquals(text, "[user] Hello\n[assistant]");
 * ```
 */
export async function renderChat(
  tokenizer: Pick<Tokenizer, "chatTemplate"> & Partial<Pick<Tokenizer, "bosToken" | "eosToken">>,
  messages: readonly ChatMessage[],
  { addGenerationPrompt = true }: { readonly addGenerationPrompt?: boolean } = {},
): Promise<string> {
  const { chatTemplate: template } = tokenizer;
  if (template === undefined) throw new TokenizerError("missing", "the tokenizer has no chat_template");
  const variables = {
    messages,
    add_generation_prompt: addGenerationPrompt,
    bos_token: tokenizer.bosToken ?? "",
    eos_token: tokenizer.eosToken ?? "",
  };
  const answer = await ask({ template, variables });
  if ("error" in answer) {
    throw new TokenizerError("format", `chat_template cannot be rendered: ${answer.error}`);
  }
  return answer.text;
}

async function ask(request: ChatRequest): Promise<ChatAnswer> {
  const worker = new Worker(import.meta.resolve("./chat_worker.ts"), { type: "module" });
  const { promise, resolve } = Promise.withResolvers<ChatAnswer>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  worker.onmessage = ({ data }: MessageEvent<ChatAnswer | "ready">) => {
    if (data !== "ready") return resolve(data);
    // Only the template's own time counts, not that of loading the interpreter.
    timer = setTimeout(() => resolve({ error: `it runs for over ${limitSeconds} s` }), limitSeconds * 1000);
    worker.postMessage(request);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    resolve({ error: event.message });
  };
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    worker.terminate();
  }
}
