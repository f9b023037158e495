/**
 * Most bytes that a process ever held while it quantizes a model with the largest of some candidates and measures it, and while it advises:
 * `deno run -A bench/advisor/memory.ts MODEL`. Each runs in a process of its own; layers are streamed in both.
 */
import { pathOf } from "../../base/file.ts";
import { Advisor } from "../../eval/advisor/advise.ts";
import { corpus } from "../../eval/corpus.ts";
import { divergence } from "../../eval/metrics/divergence.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import { loadModel } from "../../quant/published/load.ts";
import { quantize } from "../../quant/quantize.ts";
import { mebibytes, peakBytes } from "../memory.ts";

const tasks = ["nothing", "quantize", "quantize and measure", "advise"];
const [source, task, ...others] = Deno.args;
if (source === undefined || others.length > 0 || (task !== undefined && !tasks.includes(task))) {
  throw new RangeError(
    `${JSON.stringify(Deno.args)}: expected a model, and perhaps one of ${tasks.join(", ")}`,
  );
}

if (task === undefined) {
  for (const one of tasks) {
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", pathOf(import.meta.url), source, one],
      stdout: "piped",
      stderr: "inherit",
    });
    const { success, stdout } = await command.output();
    if (!success) throw new Error(`${one}: the process failed`);
    console.log(`${one}: ${new TextDecoder().decode(stdout).trim()}`);
  }
} else {
  using model = await loadModel(source, { streaming: true });
  const candidates = [3, 4].map((bits) => rtn({ bits, groupSize: 64 })), { tokenizer } = model;
  const calibration = await corpus("calibration", { windows: 1, length: 32, seed: 0, tokenizer });
  const proof = await corpus("sotu", { windows: 2, length: 32, tokenizer });
  if (task === "advise") {
    const advisor = await Advisor.of(model, {
      candidates,
      scores: ["fisher", "shapley"],
      calibration,
      proof,
    });
    await advisor.advise({ bitsPerWeight: 4 });
  } else if (task !== "nothing") {
    using quantized = await quantize(model, { weights: candidates[1] }, { calibration });
    if (task === "quantize and measure") await divergence(quantized, model, proof);
  }
  console.log(mebibytes(await peakBytes()));
}
