/**
 * Tokens per second of a whole forward pass with perplexity, ours and PyTorch's (float32, same weights, same tokens, same
 * threads) in one run: `deno run -A bench/end_to_end.ts [threads]`. PyTorch is optional.
 */
import { cpuDevice } from "../kernels/cpu/device.ts";
import { loadModel } from "../model/load.ts";
import { perplexity } from "../eval/perplexity.ts";
import { oracleWindows } from "../eval/oracle.ts";

const threads = Number(Deno.args[0] ?? navigator.hardwareConcurrency);
const windows = await oracleWindows("test");
const tokens = windows.length * windows[0].length;

/** The peer: its decoder is the one that `gptq_torch.py` calibrates with. */
const program = `
import sys, time, json, torch
sys.argv, (directory, tokens, threads) = ["peer"], sys.argv[1:4]
source = open("bench/gptq_torch.py").read().rsplit("main()", 1)[0]
exec(source)
torch.set_num_threads(int(threads))
config = json.load(open(directory + "/config.json"))
tensors = read_safetensors(directory + "/model.safetensors")
windows = read_safetensors(tokens)["test"]
cos, sin = rotary_table(windows.shape[1], config["head_dim"], config["rope_theta"])
embedding, norm = tensors["model.embed_tokens.weight"].float(), tensors["model.norm.weight"].float()
layers = [Layer(tensors, i, config) for i in range(config["num_hidden_layers"])]
best = float("inf")
with torch.inference_mode():
    for _ in range(3):
        start, losses = time.perf_counter(), []
        for ids in windows:
            x = embedding[ids.long()]
            for layer in layers:
                x = layer.forward(x, cos, sin)
            logits = layers[0].norm(x, norm) @ embedding.T
            losses.append(F.cross_entropy(logits[:-1], ids[1:].long()).item())
        best = min(best, time.perf_counter() - start)
print(json.dumps({"seconds": best, "perplexity": math.exp(sum(losses) / len(losses)), "version": torch.__version__,
    "peak": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
`;

async function peer(): Promise<
  { seconds: number; perplexity: number; version: string; peak: number } | null
> {
  const root = new URL("../", import.meta.url).pathname;
  const model = `${root}fixtures/models/llama`, ids = `${root}fixtures/expected/tokens.safetensors`;
  try {
    const args = ["-c", program, model, ids, String(threads)];
    const { success, stdout } = await new Deno.Command("python3", { args, cwd: root, stderr: "null" })
      .output();
    return success ? JSON.parse(new TextDecoder().decode(stdout)) : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

using device = await cpuDevice({ threads });
using model = await loadModel("fixture:llama", { device });
let best = Infinity, value = 0;
for (let run = 0; run < 3; run++) {
  const start = performance.now();
  value = (await perplexity(model, windows)).value;
  best = Math.min(best, (performance.now() - start) / 1000);
}
const row = (name: string, seconds: number, perplexity: number, bytes: number) =>
  `${name.padEnd(34)} ${(tokens / seconds).toFixed(0).padStart(7)} tokens/s  perplexity ${
    perplexity.toFixed(4)
  }  peak ${(bytes / 2 ** 20).toFixed(0)} MiB`;
console.log(row(`quantbook, ${device.description}`, best, value, Deno.memoryUsage().rss));
const torch = await peer();
if (torch === null) console.log("PyTorch: skipped, python3 with torch is not here");
else {
  console.log(
    row(`PyTorch ${torch.version}, ${threads} threads`, torch.seconds, torch.perplexity, torch.peak),
  );
  console.log(`ratio ${(torch.seconds / best).toFixed(2)} (target 0.10)`);
}
