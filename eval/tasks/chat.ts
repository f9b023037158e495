/** Prompts as conversations: what lm-evaluation-harness 0.4.8 makes of a task with `--apply_chat_template`. */
import { type ChatMessage, renderChat } from "../../model/tokenizer/chat.ts";
import { TokenizerError } from "../../model/tokenizer/error.ts";
import type { Tokenizer } from "../../model/tokenizer/tokenizer.ts";
import { shotsText, type WorkedExample } from "./prompts.ts";

/** How a task becomes a conversation. */
export interface ChatSettings {
  /** The name of one of the tokenizer's templates, or a template (default: the tokenizer's own). */
  readonly template?: string;
  /** Whether each worked example is a turn of its own; else all of them stand before the question, in its message. */
  readonly multiturn: boolean;
}

/** What a conversation is made of. */
export interface Asked {
  /** The system prompt; "" for none. */
  readonly system: string;
  /** The worked examples. */
  readonly shots: readonly WorkedExample[];
  /** The question, or the beginnings of a sentence that each choice has. */
  readonly questions: readonly string[];
}

/**
 * The prompts of an example, up to where the assistant begins to speak. Beginnings of sentences are conversations of their own
 * behind that of the worked examples: that is how the harness joins them.
 *
 * @throws {TokenizerError} as `renderChat`
 */
export async function conversations(
  tokenizer: Tokenizer,
  { template, multiturn }: ChatSettings,
  { system, shots, questions }: Asked,
): Promise<string[]> {
  const render = (messages: readonly ChatMessage[]) => rendered(tokenizer, messages, template);
  const user = (content: string): ChatMessage => ({ role: "user", content });
  const before: ChatMessage[] = system === "" ? [] : [{ role: "system", content: system }];
  const turns = shots.flatMap(({ question, answer }): ChatMessage[] => [
    user(question),
    { role: "assistant", content: answer },
  ]);
  const text = shotsText(shots);
  if (questions.length !== 1) {
    const history = multiturn ? [...before, ...turns] : text === "" ? before : [...before, user(text)];
    const first = history.length === 0 ? "" : await render(history);
    return await Promise.all(questions.map(async (one) => first + await render([user(one)])));
  }
  const asked = multiturn ? [...turns, user(questions[0])] : [user(text + questions[0])];
  return [await render([...before, ...asked])];
}

/** A template that refuses system prompts is tried again without. */
async function rendered(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  template: string | undefined,
): Promise<string> {
  const options = { template, addGenerationPrompt: true };
  try {
    return await renderChat(tokenizer, messages, options);
  } catch (error) {
    const others = messages.filter(({ role }) => role !== "system");
    if (!(error instanceof TokenizerError && error.code === "format") || others.length === messages.length) {
      throw error;
    }
    return await renderChat(tokenizer, others, options);
  }
}
