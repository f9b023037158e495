/** The need of a comparison is at least what it takes, and not far from it. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { fixture } from "../../../../base/fixture.ts";
import { compare } from "../../../../eval/compare.ts";
import { corpus } from "../../../../eval/corpus.ts";
import { cpuDevice } from "../../../../kernels/cpu/device.ts";
import { rtn } from "../../../../mod.ts";
import { loadModel } from "../../../../quant/published/load.ts";
import { sizes } from "../../../../quant/weights/sizes.ts";
import { longest, needOf, room, roomFor } from "./memory.ts";

for (const name of ["models/llama", "published/llama2l-Q4_K_M.gguf"]) {
  Deno.test(`what comparing ${name} takes`, async () => {
    using device = await cpuDevice({ threads: 1 });
    const path = await fixture(name);
    using model = await loadModel(path, { device });
    const windows = await corpus("sotu", { windows: 4, length: longest, tokenizer: model.tokenizer });
    const scheme = { weights: rtn({ bits: 8, groupSize: 32 }) };
    await compare(path, [{ model: path, scheme, label: "requantized" }], {
      windows,
      results: null,
      noise: false,
      execution: "packed",
      device,
    });
    const { model: held, codes, logits } = needOf(sizes(model), model.architecture.vocabularySize);
    const share = device.memory.peak / (held + codes + logits);
    assert(share <= 1 && share > 0.7, `${share}`);
  });
}

Deno.test("what does not fit is said with its numbers, and what would", () => {
  const need = { model: 5e9, codes: 1e9, logits: 0.2e9 };
  assertMatch(
    roomFor(need, 1.25e9) ?? "",
    /^to compare its 1,250,000,000 weights takes 6\.2 GB \(5\.0 GB of it the model in float32\), and WebAssembly has 4\.3 GB: a model like this may have about 860 million$/,
  );
  assertEquals(roomFor({ model: room - 2, codes: 1, logits: 1 }, 1e9), null);
  assert(roomFor({ model: room - 1, codes: 1, logits: 1 }, 1e9) !== null);
});
