/** Chat templates as transformers 5.24 renders them (`apply_chat_template`), where they lie, and which one is used. */
import { assertEquals, assertRejects } from "@std/assert";
import { type ChatMessage, renderChat, type RenderChatOptions } from "./chat.ts";
import { TokenizerError } from "./error.ts";
import { loadTokenizer } from "./tokenizer.ts";

const plain = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant]";
const said: ChatMessage[] = [{ role: "user", content: "Hi there!" }];

/** A directory with the tokenizer of the fixtures and files of its own. */
async function directoryWith(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await Deno.makeTempDir();
  await Deno.copyFile("fixtures/models/llama/tokenizer.json", `${directory}/tokenizer.json`);
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(`${directory}/${name}`.replace(/\/[^/]+$/, ""), { recursive: true });
    await Deno.writeTextFile(`${directory}/${name}`, text);
  }
  return directory;
}

const config = (chat_template?: unknown) =>
  JSON.stringify({ bos_token: "<s>", eos_token: "</s>", pad_token: "</s>", chat_template });

async function render(
  files: Readonly<Record<string, string>>,
  options: RenderChatOptions = {},
): Promise<string> {
  const directory = await directoryWith(files);
  try {
    return await renderChat(await loadTokenizer(directory), said, options);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("field F16: a list of named templates, as files too; the one for tools, the one asked for", async () => {
  const list = [{ name: "tool_use", template: `TOOLS${plain}` }, { name: "default", template: plain }];
  const files = { "tokenizer_config.json": config(list) };
  const shown = "[user] Hi there!\n[assistant]";
  assertEquals(await render(files), shown);
  assertEquals(await render(files, { tools: [] }), `TOOLS${shown}`);
  assertEquals(await render(files, { template: "tool_use" }), `TOOLS${shown}`);
  assertEquals(await render(files, { template: "{{ messages | length }}" }), "1");
  const named = { "tokenizer_config.json": config([{ name: "rag", template: plain }, list[0]]) };
  await assertRejects(() => render(named), TokenizerError, "ask for one of rag, tool_use");
  const inFiles = {
    "tokenizer_config.json": config("OLD"),
    "chat_template.jinja": plain,
    "additional_chat_templates/rag.jinja": `RAG${plain}`,
  };
  assertEquals(await render(inFiles), shown);
  assertEquals(await render(inFiles, { template: "rag" }), `RAG${shown}`);
});

Deno.test("field F16: what is no template is refused by the field", async () => {
  await assertRejects(
    () => render({ "tokenizer_config.json": config(3) }),
    TokenizerError,
    "chat_template is 3",
  );
  const list = [{ name: "default" }];
  await assertRejects(
    () => render({ "tokenizer_config.json": config(list) }),
    TokenizerError,
    "chat_template[0]",
  );
});

Deno.test("field F19: what jinja2 under transformers gives", async () => {
  const cases: [template: string, text: string][] = [
    ["{{ '\\n\\n    x'.lstrip('\\n') }}|", "    x|"],
    ["{{ 'x  \\n'.rstrip('\\n') }}|", "x  |"],
    ["{{ 'xaax'.strip('x') }}|", "aa|"],
    ["{% if tools is none %}NONE{% else %}SOME{% endif %}", "NONE"],
    ["{{ documents is none }}{{ add_generation_prompt }}", "TrueTrue"],
    ["{{ pad_token }}|", "</s>|"],
    ["{{ unk_token is defined }}", "False"],
    ["{{ 'ab' * 2 }}|", "abab|"],
    ["{{ true }}|", "True|"],
  ];
  for (const [template, text] of cases) {
    assertEquals(await render({ "tokenizer_config.json": config(template) }), text);
  }
});

Deno.test("field F14: special tokens in special_tokens_map.json only", async () => {
  const map = JSON.stringify({ bos_token: "<s>", eos_token: { content: "</s>" }, unk_token: null });
  const directory = await directoryWith({ "special_tokens_map.json": map, "tokenizer_config.json": "{}" });
  const { bos, eos, specialTokens } = await loadTokenizer(directory);
  assertEquals({ bos, eos, specialTokens }, {
    bos: 0,
    eos: 1,
    specialTokens: { bos_token: "<s>", eos_token: "</s>" },
  });
  await Deno.remove(directory, { recursive: true });
});

Deno.test("the last message is continued where its text ends, trimmed or not", async () => {
  const talk: ChatMessage[] = [...said, { role: "assistant", content: "It is ", thinking: "Hm" }];
  const each = (body: string) => ({ chatTemplate: `{% for m in messages %}<${body}>{% endfor %}` });
  const go = (template: string, field: boolean | string = true) =>
    renderChat(each(template), talk, { continueFinalMessage: field });
  assertEquals(await go("{{ m.content }}"), "<Hi there!><It is ");
  assertEquals(await go("{{ m.content | trim }}"), "<Hi there!><It is");
  assertEquals(await go("{{ m.reasoning_content }}", "thinking"), "<><Hm");
  await assertRejects(() => go("{{ m.role }}"), TokenizerError, "does not read content");
  await assertRejects(() => go("{{ m.content[:1] }}"), TokenizerError, "does not appear");
  await assertRejects(
    () =>
      renderChat(each("{{ m.content }}"), talk, { continueFinalMessage: true, addGenerationPrompt: true }),
    TokenizerError,
    "expected one of them",
  );
});

Deno.test("variables of the template; what is wrong is named", async () => {
  const tokenizer = {
    chatTemplate: "{{ enable_thinking }}{{ bos_token }}\n{{ messages[0].content.name.x }}",
    bosToken: "<s>",
  };
  const variables = { enable_thinking: false };
  const error = await assertRejects(
    () => renderChat(tokenizer, said, { variables }),
    TokenizerError,
    "line 2",
  );
  assertEquals(error.code, "format");
  assertEquals(
    await renderChat({ chatTemplate: "{{ enable_thinking }}{{ bos_token }}", bosToken: "a" }, said, {
      variables: { enable_thinking: false, bos_token: "b" },
    }),
    "Falseb",
  );
  const wrong: [RenderChatOptions, string][] = [
    [{ variables: { tools: [] } }, "variables.tools: use the option tools"],
    [{ variables: { x: () => 1 } }, "a template cannot have function x"],
  ];
  for (const [options, message] of wrong) {
    await assertRejects(() => renderChat({ chatTemplate: "x" }, said, options), TokenizerError, message);
  }
  await assertRejects(() => renderChat({ chatTemplate: "x" }, []), TokenizerError, "at least one message");
});

Deno.test("a template may not do without end", async () => {
  const endless = [
    "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
    "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
    "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{{ 'a'.center(10 ** 12) }}",
    "{{ 10 ** 10 ** 10 ** 10 ** 10 }}",
    "{{ [1] * 10 ** 12 }}",
    "{{ '%99999999999d' % 1 }}",
    `{{ ${"(".repeat(9999)}1 }}`,
  ];
  for (const chatTemplate of endless) {
    await assertRejects(
      () => renderChat({ chatTemplate }, said),
      TokenizerError,
      "chat_template cannot be rendered",
    );
  }
});
