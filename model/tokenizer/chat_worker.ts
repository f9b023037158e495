/** Renders one chat template, in a worker that `chat.ts` ends when it takes too long. */
/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
import { Environment, Interpreter, Template } from "@huggingface/jinja";
import type { ChatAnswer, ChatRequest } from "./chat.ts";

/** No conversation loops over more than this. */
const maxRange = 100_000;

/** Python's `range`, with a limit: the interpreter's own makes the whole list. */
function range(first: number, second?: number, step = 1): number[] {
  const [start, stop] = typeof second === "number" ? [first, second] : [0, first];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= maxRange)) throw new RangeError(`range of ${length}: expected at most ${maxRange}`);
  return Array.from({ length }, (_, i) => start + i * step);
}

function fail(message: string): never {
  throw new Error(message);
}

function answer({ template, variables }: ChatRequest): ChatAnswer {
  try {
    const { parsed } = new Template(template);
    const scope = new Environment();
    const constants = { true: true, false: false, none: null, True: true, False: false, None: null };
    const values = { ...constants, range, raise_exception: fail, ...variables };
    for (const [name, value] of Object.entries(values)) scope.set(name, value);
    return { text: String(new Interpreter(scope).run(parsed).value) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

self.onmessage = ({ data }: MessageEvent<ChatRequest>) => self.postMessage(answer(data));
self.postMessage("ready");
