/** Messages of a conversation, as transformers hands them to a template. */
import { isJsonObject, type JsonObject, own } from "../../../base/json.ts";
import { show } from "../../../base/show.ts";
import { TokenizerError } from "../error.ts";

/** A part of what is said: text, or what stands for a picture or a sound. */
export interface ChatPart {
  /** `text`, `image`, ... */
  readonly type: string;
  /** What a part of type `text` says. */
  readonly text?: string;
  /** What else a template may read. */
  readonly [field: string]: unknown;
}

/** A message of a conversation. */
export interface ChatMessage {
  /** Who speaks: usually `system`, `user`, `assistant` or `tool`. */
  readonly role: string;
  /** What is said. A message may have nothing but calls of tools. */
  readonly content?: string | readonly ChatPart[] | null;
  /** What else a template may read: `tool_calls`, `reasoning_content`, `name`. */
  readonly [field: string]: unknown;
}

/** The fields that hold what a model thought before it spoke; the first is the one that templates are meant to read. */
export const reasoningFields = ["reasoning_content", "thinking", "reasoning"] as const;

/** Messages without the fields that say nothing, and with what was thought under each name that templates read it by. */
export function normalized(messages: readonly ChatMessage[]): JsonObject[] {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new TokenizerError(
      "chat",
      `messages is ${show(messages)}: expected a list of at least one message`,
    );
  }
  return messages.map((message, i) => {
    if (!isJsonObject(message)) {
      throw new TokenizerError("chat", `messages[${i}] is ${show(message)}: expected an object with a role`);
    }
    const kept: JsonObject = Object.fromEntries(
      Object.entries(message).filter(([, value]) => value !== null && value !== undefined),
    );
    const thought = reasoningFields.map((field) => own(kept, field)).find((value) => value !== undefined);
    return thought === undefined ? kept : { thinking: thought, ...kept, reasoning_content: thought };
  });
}
