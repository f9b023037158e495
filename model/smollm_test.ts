/** A real model from a GGUF file: tensors, tokens, perplexity and a chat completion as gguf-py and transformers have them. */
import { assert, assertAlmostEquals, assertEquals, assertLess } from "@std/assert";
import { createHash } from "node:crypto";
import { renderChat } from "./tokenizer/chat.ts";
import { openGguf } from "./gguf/file.ts";
import { ggufTokenizer } from "./gguf/tokenizer.ts";
import { loadModel } from "./load.ts";
import { readSafetensors } from "./safetensors.ts";

const folder = `${Deno.env.get("QUANTBOOK_SHARED") ?? "/work/shared"}/models/smollm2`;
const path = `${folder}/SmolLM2-135M-Instruct.Q4_1.gguf`;
const present = await Deno.stat(path).then(() => true, () => false);
const all = Deno.env.get("QUANTBOOK_ORACLE") === "all";
if (!present) console.log(`SmolLM2 is not tested: no ${path}`);
if (present && !all) console.log("SmolLM2: perplexity and chat are tested with QUANTBOOK_ORACLE=all");

const golden = present ? JSON.parse(await Deno.readTextFile(`${folder}/golden.json`)) : null;

Deno.test({
  name: "the tensors of a real GGUF file have the stored hashes",
  ignore: !present,
  async fn() {
    const file = await openGguf(path);
    assertEquals(file.tensors.size, golden.gguf.tensor_count);
    assertEquals(file.metadata.size, golden.gguf.kv_count);
    for (const [i, expected] of golden.gguf.tensors.entries()) {
      const entry = file.tensors.get(expected.name);
      assertEquals(entry?.shape, expected.shape_row_major);
      assertEquals(entry?.offset, expected.file_offset);
      // All of them take some seconds: every ninth covers each kind.
      if (!all && i % 9 !== 0) continue;
      const values = await file.read(expected.name);
      const hash = createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex");
      assertEquals(hash, expected.sha256_dequant_f32le, expected.name);
    }
  },
});

Deno.test({
  name: "the tokenizer of a real GGUF file gives the stored ids",
  ignore: !present,
  async fn() {
    const tokenizer = ggufTokenizer(await openGguf(path));
    assertEquals(tokenizer.vocabularySize, 49152);
    assertEquals([tokenizer.bos, tokenizer.eos], [1, 2]);
    for (const { text, ids, decoded } of golden.tokenizer.probes) {
      assertEquals([...tokenizer.encode(text)], ids, text);
      assertEquals(tokenizer.decode(ids), decoded);
    }
    const rendered = await renderChat(tokenizer, golden.chat.prompt);
    assertEquals(rendered, golden.chat.rendered);
    assertEquals([...tokenizer.encode(rendered)], golden.chat.prompt_ids);
  },
});

Deno.test({
  name: "logits, perplexity and chat completion of a real model are transformers'",
  ignore: !present || !all,
  async fn() {
    using model = await loadModel(path);
    const stored = await readSafetensors(`${folder}/golden.safetensors`);
    const prompt = Int32Array.from(golden.prompt64.ids as number[]);
    const logits = await model.logits(prompt);
    for (const [row, top] of [[0, golden.prompt64.first_top20], [63, golden.prompt64.last_top20]]) {
      for (const { id, logit } of top) {
        assertAlmostEquals(logits[row * 49152 + id], logit, 1e-4 * golden.prompt64.logits_std);
      }
    }
    const { windows, window_mean_nll: expected } = golden.perplexity.ctx512;
    const ids = JSON.parse(await Deno.readTextFile(`${folder}/wikitext2-ids.json`)).first_4096 as number[];
    let sum = 0;
    for (let w = 0; w < windows; w++) {
      const window = Int32Array.from(ids.slice(w * 512, (w + 1) * 512));
      await model.forEachLogits([window], async (buffer) => {
        model.device.logSoftmax(buffer, buffer, 512, 49152);
        const scores = await model.device.read(buffer);
        let total = 0;
        const each = stored.get(`ppl512.token_nll.${w}`)?.data;
        for (let t = 0; t < 511; t++) {
          const score = -scores[t * 49152 + window[t + 1]];
          assertAlmostEquals(score, Number(each?.[t]), 1e-3);
          total += score;
        }
        assertAlmostEquals(total / 511, expected[w], 1e-4);
        sum += total;
      });
    }
    const perplexity = Math.exp(sum / (511 * windows));
    assertAlmostEquals(perplexity, golden.perplexity.ctx512.ppl, 1e-3);
    const output = await model.generate(Int32Array.from(golden.chat.prompt_ids as number[]), {
      maxNewTokens: golden.chat.output_ids.length,
    });
    assertEquals([...output], golden.chat.output_ids);
    assertEquals(model.tokenizer.decode(output), golden.chat.text);
    assert(perplexity > 1);
    assertLess(model.device.memory.peak, 2e9);
  },
});
