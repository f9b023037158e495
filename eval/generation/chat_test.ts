/** Templates are rendered as their authors wrote them; models answer what they know. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { loadModel } from "../../model/load.ts";
import type { Tokenizer } from "../../model/tokenizer/tokenizer.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import { quantize } from "../../quant/quantize.ts";
import type { ChatMessage } from "../../model/tokenizer/chat.ts";
import { chat, ChatError, chatPrompt, questionTemplate } from "./chat.ts";

const tokenizer: Tokenizer = {
  vocabularySize: 3,
  bos: 0,
  eos: 1,
  encode: () => Int32Array.of(2),
  decode: (ids) => [...ids].map((id) => ["<s>", "</s>", "x"][id]).join(""),
};
const said: ChatMessage[] = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "One?" },
  { role: "assistant", content: "1" },
  { role: "user", content: "Two?" },
];

Deno.test("a chat template: special tokens, loops, conditions, whitespace control, and the generation prompt", async () => {
  const template =
    "{{ bos_token }}{%- for m in messages %}<|{{ m['role'] }}|>{{ m['content'] | trim }}{{ eos_token }}\n" +
    "{%- endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";
  assertEquals(
    await chatPrompt(tokenizer, said, template),
    "<s><|system|>Be brief.</s><|user|>One?</s><|assistant|>1</s><|user|>Two?</s><|assistant|>",
  );
  assertEquals(await chatPrompt({ ...tokenizer, chatTemplate: "{{ messages | length }}" }, said), "4");
  assertEquals(
    await chatPrompt(tokenizer, said, questionTemplate),
    "Be brief.\n\nQuestion: One?\nAnswer: 1\n\nQuestion: Two?\nAnswer:",
  );
});

Deno.test("what cannot be asked is refused", async () => {
  await assertRejects(() => chatPrompt(tokenizer, said), ChatError, "no chat template");
  await assertRejects(() => chatPrompt(tokenizer, [], questionTemplate), ChatError, "messages is empty");
  await assertRejects(
    () => chatPrompt(tokenizer, said.slice(0, 3), questionTemplate),
    ChatError,
    "assistant's",
  );
  await assertRejects(() => chatPrompt(tokenizer, said, "{% for %}"), ChatError, "The template fails");
  await assertRejects(
    () => chatPrompt(tokenizer, said, "{{ raise_exception('no system') }}"),
    ChatError,
    "no system",
  );
  using model = await loadModel("fixture:llama");
  const long: ChatMessage[] = [{ role: "user", content: "dig ".repeat(3000) }];
  await assertRejects(
    () => chat({ model }, long, { template: questionTemplate }),
    ChatError,
    "2048 positions",
  );
});

Deno.test("several models answer side by side; coarse weights lose what the model knows", async () => {
  using model = await loadModel("fixture:llama");
  using eight = await quantize(model, { weights: rtn({ bits: 8 }) });
  using two = await quantize(model, { weights: rtn({ bits: 2 }) });
  const ask = (content: string) =>
    chat({ float: model, "8 bits": eight, "2 bits": two }, [{ role: "user", content }], {
      template: questionTemplate,
      stop: ["\n"],
      maxNewTokens: 24,
    });
  const replies = await ask("What covers the body of the salmon?");
  assertEquals(replies.map((one) => one.model), ["float", "8 bits", "2 bits"]);
  assertEquals(replies.slice(0, 2).map(({ reply }) => reply), ["scales", "scales"]);
  assert(replies[2].reply !== "scales");
  assert(replies.every(({ tokens }) => tokens <= 24));
});
