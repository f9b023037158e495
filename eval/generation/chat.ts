/** Conversations: a chat template around what was said, and what several models answer, side by side. */
import { QuantbookError } from "../../base/error.ts";
import { type ChatMessage, renderChat, type RenderChatOptions } from "../../model/tokenizer/chat.ts";
import type { Model } from "../../model/model.ts";
import type { Tokenizer } from "../../model/tokenizer/tokenizer.ts";
import { generateUntil } from "./until.ts";

/** A conversation cannot be written down: `"template"` (none there, or it fails), `"option"`, `"length"`. */
export class ChatError extends QuantbookError {}

/** What a template may be given beside the messages. */
export type ChatData = Pick<RenderChatOptions, "tools" | "documents" | "variables">;

/** How the models are asked. */
export interface ChatOptions extends ChatData {
  /** Jinja template, or the name of one of the tokenizer's (default: the tokenizer's own). */
  readonly template?: string;
  /** Most tokens of an answer (default 128). */
  readonly maxNewTokens?: number;
  /** Strings that end an answer; the end token does too. */
  readonly stop?: readonly string[];
  /** Tokenize with special tokens, although the template has written them: what the reference code does. */
  readonly repeatSpecialTokens?: boolean;
}

/** What one model said. */
export interface ChatReply {
  /** Name of the model, as the caller gave it. */
  readonly model: string;
  /** The prompt that it was given. */
  readonly prompt: string;
  /** Its answer, without white space at the ends. */
  readonly reply: string;
  /** Tokens of the answer. */
  readonly tokens: number;
}

/** A plain template for models that were not trained on chats: questions and answers. */
export const questionTemplate: string = "{% for message in messages %}" +
  "{% if message.role == 'user' %}Question: {{ message.content }}\nAnswer:" +
  "{% elif message.role == 'assistant' %} {{ message.content }}\n\n" +
  "{% else %}{{ message.content }}\n\n{% endif %}{% endfor %}";

/**
 * The text of a conversation, up to where the answer begins.
 *
 * @throws {ChatError} `template` or `option`
 *
 * @example
 * ```ts
 * import { chatPrompt, questionTemplate } from "quantbook/eval";
 * import { loadTokenizer } from "quantbook/model";
 * import { assertEquals } from "@std/assert";
 *
 * const tokenizer = await loadTokenizer("fixtures/models/llama");
 * const messages = [{ role: "user", content: "Where does the salmon live?" }] as const;
 * assertEquals(await chatPrompt(tokenizer, messages, questionTemplate), "Question: Where does the salmon live?\nAnswer:");
 * ```
 */
export async function chatPrompt(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  template?: string,
  data: ChatData = {},
): Promise<string> {
  if (
    template === undefined && tokenizer.chatTemplate === undefined && tokenizer.chatTemplates === undefined
  ) {
    throw new ChatError("template", "The tokenizer has no chat template: pass one, such as questionTemplate");
  }
  const last = messages.at(-1);
  if (last === undefined) throw new ChatError("option", "messages is empty: expected at least one message");
  if (last.role === "assistant") {
    throw new ChatError("option", "The last message is the assistant's: expected a user's, to be answered");
  }
  const token = (id: number | undefined) => id === undefined ? undefined : tokenizer.decode([id]);
  try {
    const { chatTemplate, chatTemplates, specialTokens } = tokenizer;
    return await renderChat(
      {
        ...{ chatTemplate, chatTemplates, specialTokens },
        bosToken: tokenizer.bosToken ?? token(tokenizer.bos),
        eosToken: tokenizer.eosToken ?? token(tokenizer.eos),
      },
      messages,
      { template, ...data },
    );
  } catch (cause) {
    throw new ChatError("template", `The template fails: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
}

/**
 * Asks several models the same, greedily.
 *
 * @param models by the name under which their answers appear
 * @throws {ChatError} `template`, `option` or `length`
 *
 * @example
 * ```ts
 * import { chat, loadModel } from "quantbook";
 * import { questionTemplate } from "quantbook/eval";
 * import { assertEquals } from "@std/assert";
 *
 * using model = await loadModel("fixture:llama");
 * const messages = [{ role: "user", content: "What does the cow eat?" }] as const;
 * const [{ reply }] = await chat({ float: model }, messages, { template: questionTemplate, stop: ["\n"] });
 * assertEquals(reply, "grass");
 * ```
 */
export async function chat(
  models: Readonly<Record<string, Model>>,
  messages: readonly ChatMessage[],
  { template, maxNewTokens = 128, stop = [], repeatSpecialTokens = false, ...data }: ChatOptions = {},
): Promise<ChatReply[]> {
  const replies: ChatReply[] = [];
  for (const [name, model] of Object.entries(models)) {
    const prompt = await chatPrompt(model.tokenizer, messages, template, data);
    const ids = model.tokenizer.encode(prompt, { addSpecialTokens: repeatSpecialTokens });
    const { maxPositions } = model.architecture;
    if (ids.length >= maxPositions) {
      throw new ChatError(
        "length",
        `the conversation has ${ids.length} tokens, ${name} ${maxPositions} positions`,
      );
    }
    const { text, ids: said } = await generateUntil(model, ids, { stop, maxNewTokens });
    replies.push({ model: name, prompt, reply: text.trim(), tokens: said.length });
  }
  return replies;
}
