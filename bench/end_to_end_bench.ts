/**
 * Tokens per second of perplexity on the fixture model, ours and PyTorch's in one run: float32, the same weights, tokens
 * and threads. `deno bench -A bench/end_to_end_bench.ts`. Prints when loaded: the two cannot share one process, so they
 * are not functions that `Deno.bench` could time.
 */
import { cpuDevice } from "../kernels/cpu/device.ts";
import { loadModel } from "../model/load.ts";
import { perplexity } from "../eval/perplexity.ts";
import { oracleWindows } from "../eval/oracle.ts";
import { mebibytes, peakBytes } from "./memory.ts";
import { runTorch } from "./torch.ts";

const windows = await oracleWindows("test");
const tokens = windows.length * windows[0].length;
const inputs = ["../fixtures/models/llama", "../fixtures/expected/tokens.safetensors"]
  .map((path) => new URL(path, import.meta.url).pathname);

/** The best of three runs of ours: seconds, and the perplexity. */
async function timeOurs(threads: number): Promise<{ seconds: number; perplexity: number }> {
  using device = await cpuDevice({ threads });
  using model = await loadModel("fixture:llama", { device });
  let seconds = Infinity, value = 0;
  for (let run = 0; run < 3; run++) {
    const start = performance.now();
    value = (await perplexity(model, windows)).value;
    seconds = Math.min(seconds, (performance.now() - start) / 1000);
  }
  return { seconds, perplexity: value };
}

console.log(`\nPerplexity of ${windows.length} windows of ${windows[0].length} tokens, fixture:llama`);
const rows: Record<string, Record<string, string | number>> = {};
for (const threads of new Set([1, navigator.hardwareConcurrency])) {
  const ours = await timeOurs(threads), peak = mebibytes(await peakBytes());
  type Report = { version: string; seconds: number; perplexity: number; peak: number };
  const torch = await runTorch<Report>("perplexity", ...inputs, threads);
  const row = (seconds: number, perplexity: number, peak: string) => ({
    "tokens/s": Math.round(tokens / seconds),
    perplexity: perplexity.toFixed(4),
    "peak memory": peak,
    ...(torch ? { "speed over PyTorch's": (torch.seconds / seconds).toFixed(2) } : {}),
  });
  const suffix = `${threads} thread${threads === 1 ? "" : "s"}`;
  rows[`quantbook, ${suffix}`] = row(ours.seconds, ours.perplexity, peak);
  if (torch) {
    rows[`PyTorch ${torch.version}, ${suffix}`] = row(torch.seconds, torch.perplexity, mebibytes(torch.peak));
  }
}
console.table(rows);
