/** transformers.js continues a text with our quantized model as our own decoder does. */
import { assertEquals } from "@std/assert";
import { AutoModelForCausalLM, AutoTokenizer, env } from "npm:@huggingface/transformers@4.3.1";
import { loadModel } from "../../../model/load.ts";
import { exportModel } from "../export.ts";
import { quantize } from "../../quantize.ts";
import { rtn } from "../../methods/rtn.ts";

Deno.test({
  name: "transformers.js generates the tokens of our decoder",
  // The native runtime keeps its threads.
  sanitizeResources: false,
  sanitizeOps: false,
  async fn() {
    using base = await loadModel("fixture:llama");
    using model = await quantize(base, { weights: rtn({ bits: 4, groupSize: 32, symmetric: false }) });
    const directory = await Deno.makeTempDir();
    try {
      await exportModel(model, `${directory}/model`, { format: "onnx" });
      env.allowRemoteModels = false;
      env.localModelPath = `${directory}/`;
      const tokenizer = await AutoTokenizer.from_pretrained("model");
      const peer = await AutoModelForCausalLM.from_pretrained("model");
      const prompt = "My fellow citizens, the state of the";
      const ids = model.tokenizer.encode(prompt);
      const inputs = await tokenizer(prompt);
      assertEquals([...inputs.input_ids.data].map(Number), [...ids]);
      const output = await peer.generate({ ...inputs, max_new_tokens: 24, do_sample: false });
      const all = Array.from("data" in output ? output.data : [], Number);
      const expected = await model.generate(ids, { maxNewTokens: 24 });
      assertEquals(all.slice(0, ids.length), [...ids]);
      assertEquals(all.slice(ids.length), [...expected]);
      await peer.dispose();
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
