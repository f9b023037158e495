/** A conversation that ends within its last message: the model goes on with it instead of answering. */
import { isJsonObject, type JsonObject, own } from "../../../base/json.ts";
import { TokenizerError } from "../error.ts";
import { strip } from "../jinja/python/text.ts";
import { reasoningFields } from "./messages.ts";

/** Marks where the last message ends; transformers puts the same words there, so that the same templates refuse them. */
const mark = "CONTINUE_FINAL_MESSAGE_TAG ";

/** A conversation with a mark, and what cuts the text at it. */
export interface Continuation {
  /** The messages. */
  readonly messages: readonly JsonObject[];
  /** The text up to the mark. */
  readonly cut: (text: string) => string;
}

function refuse(message: string): never {
  throw new TokenizerError("chat", `continueFinalMessage: ${message}`);
}

/** Marks the end of a field of the last message. */
export function continuation(messages: readonly JsonObject[], field: string, template: string): Continuation {
  const last = messages[messages.length - 1], value = own(last, field);
  if (value === undefined) refuse(`the last message has no ${field}`);
  // What was thought stands under several names; whichever the template reads must have the mark.
  const isThought = reasoningFields.some((one) => one === field);
  const fields = isThought ? reasoningFields.filter((one) => own(last, one) === value) : [field];
  if (!fields.some((one) => template.includes(one))) refuse(`the chat template does not read ${field}`);
  const [said, marked] = Array.isArray(value) ? markParts(value) : markText(value, field);
  const changed = Object.fromEntries(fields.map((one) => [one, marked]));
  return { messages: [...messages.slice(0, -1), { ...last, ...changed }], cut: (text) => cutAt(text, said) };
}

function markText(value: unknown, field: string): [said: string, marked: string] {
  if (typeof value !== "string") refuse(`the ${field} of the last message is no text`);
  return [value, value + mark];
}

/** Marks the last part that is text. */
function markParts(parts: readonly unknown[]): [said: string, marked: unknown[]] {
  const at = parts.findLastIndex((part) => isJsonObject(part) && own(part, "text") !== undefined);
  const part = parts[at], text = isJsonObject(part) ? own(part, "text") : undefined;
  if (!isJsonObject(part) || typeof text !== "string") refuse("the last message has no text");
  return [text, parts.with(at, { ...part, text: text + mark })];
}

function cutAt(text: string, said: string): string {
  const at = text.lastIndexOf(mark.trim());
  if (at < 0 || !text.includes(strip(said, undefined, "both"))) {
    refuse("the last message does not appear in the text that the chat template makes");
  }
  // A template that trims the message has taken the blank of the mark too.
  const isWhole = text.startsWith(mark, at);
  return isWhole ? text.slice(0, at) : strip(text.slice(0, at), undefined, "right");
}
