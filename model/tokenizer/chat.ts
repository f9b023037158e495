/** Chat templates: a conversation as the text that a model was trained on, as `apply_chat_template` of transformers makes it. */
import { isJsonObject, type JsonObject } from "../../base/json.ts";
import { show } from "../../base/show.ts";
import { continuation } from "./chat/continuation.ts";
import { type ChatMessage, normalized } from "./chat/messages.ts";
import { chooseTemplate } from "./chat/templates.ts";
import { TokenizerError } from "./error.ts";
import { type Rendered, renderTemplate, TemplateError } from "./jinja.ts";
import type { Tokenizer } from "./tokenizer.ts";

export type { ChatMessage, ChatPart } from "./chat/messages.ts";

/** How a conversation is rendered. */
export interface RenderChatOptions {
  /** Whether the text ends where the assistant begins to speak (default: unless the last message is to be continued). */
  readonly addGenerationPrompt?: boolean;
  /** The model is to go on with the last message: with its `content` if true, or with a field of this name. */
  readonly continueFinalMessage?: boolean | string;
  /** Functions that the model may call, as JSON schemas. */
  readonly tools?: readonly JsonObject[];
  /** Documents that the model may quote; most templates read `title` and `text`. */
  readonly documents?: readonly JsonObject[];
  /** The name of one of the tokenizer's templates (`tool_use`, `rag`), or a template. */
  readonly template?: string;
  /** Further variables of the template: `enable_thinking`. Special tokens may be given here too. */
  readonly variables?: Readonly<Record<string, unknown>>;
  /** What `strftime_now` takes for the present (default: now). */
  readonly now?: Date;
}

/** A tokenizer, as far as it concerns templates. */
export type ChatTokenizer =
  & Pick<Tokenizer, "chatTemplate">
  & Partial<Pick<Tokenizer, "bosToken" | "eosToken" | "chatTemplates" | "specialTokens">>;

/** Variables that have an option of their own. */
const reserved: Readonly<Record<string, string>> = {
  messages: "messages",
  tools: "tools",
  documents: "documents",
  add_generation_prompt: "addGenerationPrompt",
  continue_final_message: "continueFinalMessage",
};

/**
 * Renders a conversation with the tokenizer's chat template, up to where the assistant begins to speak.
 *
 * Numbers in messages and tools are Python's ints where they are integral. Keys that look like integers stand first in an object of
 * JavaScript, in their order; a `Map` keeps the order that it was given.
 *
 * @throws {TokenizerError} `missing` when there is no such template, `chat` when messages or options are wrong, `format` when the template
 * cannot be rendered (`chat_template` and the line are named; the cause is a `TemplateError`)
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
  tokenizer: ChatTokenizer,
  messages: readonly ChatMessage[],
  options: RenderChatOptions = {},
): Promise<string> {
  return await Promise.resolve(renderChatSpans(tokenizer, messages, options).text);
}

/**
 * As {@linkcode renderChat}, with the places where the assistant speaks, in templates that mark them (`{% generation %}`): what a mask of
 * the assistant's tokens is made of.
 *
 * @throws {TokenizerError} as `renderChat`
 */
export function renderChatSpans(
  tokenizer: ChatTokenizer,
  messages: readonly ChatMessage[],
  options: RenderChatOptions = {},
): Rendered {
  const { tools, documents, variables = {}, now } = options;
  const field = options.continueFinalMessage === true ? "content" : options.continueFinalMessage || undefined;
  const addGenerationPrompt = options.addGenerationPrompt ?? field === undefined;
  if (field !== undefined && addGenerationPrompt) {
    throw new TokenizerError("chat", "addGenerationPrompt and continueFinalMessage: expected one of them");
  }
  const data = { tools: objects("tools", tools), documents: objects("documents", documents) };
  const wrong = Object.keys(variables).find((name) => Object.hasOwn(reserved, name));
  if (wrong !== undefined) {
    throw new TokenizerError("chat", `variables.${wrong}: use the option ${reserved[wrong]}`);
  }
  const template = chooseTemplate(tokenizer, options.template, tools !== undefined);
  const said = normalized(messages);
  const { messages: all, cut } = field === undefined
    ? { messages: said, cut: (text: string) => text }
    : continuation(said, field, template);
  const given = { ...specialTokens(tokenizer), ...variables };
  const { text, generated } = render(template, {
    ...given,
    messages: all,
    ...data,
    add_generation_prompt: addGenerationPrompt,
  }, now);
  return { text: cut(text), generated };
}

function objects(name: string, list: readonly JsonObject[] | undefined): readonly JsonObject[] | null {
  if (list === undefined) return null;
  const isObject = (one: unknown) => isJsonObject(one);
  if (Array.isArray(list) && list.every(isObject)) return list;
  throw new TokenizerError("chat", `${name} is ${show(list)}: expected a list of objects`);
}

/** The variables that name special tokens; those that a tokenizer has not are undefined in templates. */
function specialTokens(
  { specialTokens, bosToken, eosToken }: Partial<Pick<Tokenizer, "bosToken" | "eosToken" | "specialTokens">>,
): Record<string, string> {
  return {
    ...bosToken === undefined ? {} : { bos_token: bosToken },
    ...eosToken === undefined ? {} : { eos_token: eosToken },
    ...specialTokens,
  };
}

function render(
  template: string,
  variables: Readonly<Record<string, unknown>>,
  now: Date | undefined,
): Rendered {
  try {
    return renderTemplate(template, variables, now);
  } catch (cause) {
    if (!(cause instanceof TemplateError)) throw cause;
    const place = cause.line === undefined ? "" : `line ${cause.line}: `;
    throw new TokenizerError("format", `chat_template cannot be rendered: ${place}${cause.message}`, {
      cause,
    });
  }
}
