/** What runtimes need beside the weights goes with an export: templates in files of their own too. */
import { assertEquals } from "@std/assert";
import { loadModel } from "../../model/load.ts";
import { renderChat } from "../../model/tokenizer/chat.ts";
import { loadTokenizer } from "../../model/tokenizer/tokenizer.ts";
import { rtn } from "../methods/rtn.ts";
import { quantize } from "../quantize.ts";
import { exportModel } from "./export.ts";

Deno.test("named chat templates and end tokens of an export are those of its model", async () => {
  const directory = await Deno.makeTempDir(), target = await Deno.makeTempDir();
  for (
    const name of [
      "config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
      "generation_config.json",
    ]
  ) {
    await Deno.symlink(`${Deno.cwd()}/fixtures/models/llama/${name}`, `${directory}/${name}`);
  }
  await Deno.mkdir(`${directory}/additional_chat_templates`);
  await Deno.writeTextFile(`${directory}/chat_template.jinja`, "plain {{ messages[0].content }}");
  await Deno.writeTextFile(
    `${directory}/additional_chat_templates/tool_use.jinja`,
    "tools {{ tools | length }}",
  );
  {
    using model = await loadModel(directory);
    using quantized = await quantize(model, { weights: rtn({ bits: 4, groupSize: 32 }) });
    await exportModel(quantized, target, { format: "compressed-tensors" });
    const tokenizer = await loadTokenizer(target);
    const said = [{ role: "user", content: "Hi" }];
    assertEquals(await renderChat(tokenizer, said), "plain Hi");
    assertEquals(await renderChat(tokenizer, said, { tools: [{ name: "f" }] }), "tools 1");
    assertEquals(
      await Deno.readTextFile(`${target}/generation_config.json`),
      await Deno.readTextFile(`${directory}/generation_config.json`),
    );
  }
  for (const one of [directory, target]) await Deno.remove(one, { recursive: true });
});
