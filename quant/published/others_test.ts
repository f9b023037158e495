/** Files of bitsandbytes, fine-grained FP8, HQQ and torchao as these tools write them; pickles are refused. */
import { assertRejects } from "@std/assert";
import { CheckpointError } from "../../model/files/error.ts";
import { foreign, hasForeign, testFolder } from "./golden_testing.ts";
import { loadModel } from "./load.ts";

testFolder("bitsandbytes", [
  "llama2l-nf4-double",
  "mini-fp4-double",
  "mini-int8",
  "mini-nf4",
  "mini-nf4-bf16-uint8storage-skip",
  "opt-mini-nf4-double",
]);
testFolder("fp8-block", ["llama2l-block128", "mini-block32-ue8m0"]);
testFolder("hqq", ["mini-w1g16", "mini-w3g64", "mini-w4g64-axis0"]);
testFolder("torchao", ["mini-float8wo", "mini-int8wo", "mini-intx4"]);

Deno.test({
  name: "pickles are refused with the way out of them, and nothing of them runs",
  ignore: !hasForeign,
  async fn() {
    for (
      const [folder, file] of [
        ["hostile-bin", "pytorch_model.bin"],
        ["llama-mini-bin", "pytorch_model.bin"],
        ["hqq-qmodel-pt", "qmodel.pt"],
      ]
    ) {
      const directory = `${foreign}/pickle/${folder}`;
      const message =
        `${file} is a pickle, which may run any code when it is opened and is never loaded: expected safetensors`;
      await assertRejects(() => loadModel(directory), CheckpointError, message);
      await assertRejects(() => loadModel(`${directory}/${file}`), CheckpointError, message);
    }
  },
});
