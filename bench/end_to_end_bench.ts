/**
 * Tokens per second of perplexity and of decoding, on the fixture model and on layers of a real one's size, ours and
 * PyTorch's in one run: float32, the same weights, tokens and threads. `deno bench -A bench/end_to_end_bench.ts`. Prints
 * when loaded: the two cannot share one process, so they are not functions that `Deno.bench` could time, and take turns.
 */
import { cpuDevice } from "../kernels/cpu/device.ts";
import { pathOf } from "../base/file.ts";
import type { Device } from "../kernels/device.ts";
import { DeviceError } from "../kernels/error.ts";
import { nativeDevice } from "../kernels/native/device.ts";
import { loadModel } from "../model/load.ts";
import type { Model } from "../model/model.ts";
import { perplexity } from "../eval/metrics/perplexity.ts";
import { oracleWindows } from "../eval/oracle.ts";
import { mebibytes, peakBytes } from "./memory.ts";
import { runTorch } from "./torch.ts";
import { writeWideModel } from "./wide_model.ts";

const windows = await oracleWindows("test");
const tokensFile = pathOf(new URL("../fixtures/expected/tokens.safetensors", import.meta.url));
/** Tokens of the prompt, and tokens that are decoded. */
const prompt = 128, added = 65;
const rounds = 3;

/** The best times of some runs. */
interface Times {
  /** Of the perplexity. */
  seconds: number;
  /** Of all decoded tokens but the first. */
  decode: number;
  perplexity: number;
}

async function timeOurs(model: Model, count: number): Promise<Times> {
  const start = performance.now();
  const { value } = await perplexity(model, windows.slice(0, count));
  const seconds = (performance.now() - start) / 1000;
  let first = 0;
  await model.generate(windows[0].slice(0, prompt), {
    maxNewTokens: added,
    stop: [],
    onToken: () => {
      first ||= performance.now();
    },
  });
  return { seconds, decode: (performance.now() - first) / 1000, perplexity: value };
}

async function openNative(threads: number): Promise<Device | null> {
  try {
    return await nativeDevice({ threads });
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    console.log(error.message);
    return null;
  }
}

/** Our devices and PyTorch in turns. */
async function compare(label: string, path: string, count: number, threads: number): Promise<void> {
  using cpu = await cpuDevice({ threads }), native = await openNative(threads);
  using onCpu = await loadModel(path, { device: cpu });
  using onNative = native && await loadModel(path, { device: native });
  const best = new Map<string, Times>();
  const note = (name: string, times: Times) => {
    const before = best.get(name) ?? times;
    best.set(name, {
      seconds: Math.min(before.seconds, times.seconds),
      decode: Math.min(before.decode, times.decode),
      perplexity: times.perplexity,
    });
  };
  let torch: Times & { version: string; peak: number } | null = null;
  for (let round = 0; round < rounds; round++) {
    note("quantbook", await timeOurs(onCpu, count));
    if (onNative) note("quantbook, native", await timeOurs(onNative, count));
    torch = await runTorch("perplexity", path, tokensFile, threads, count, prompt, added);
    if (torch === null) break;
    note(`PyTorch ${torch.version}`, torch);
  }
  const tokens = count * windows[0].length, peer = torch && best.get(`PyTorch ${torch.version}`);
  console.log(
    `\n${label}, ${count} windows of ${windows[0].length} tokens, ${threads} thread${
      threads === 1 ? "" : "s"
    }`,
  );
  console.table(Object.fromEntries(
    [...best].map(([name, { seconds, decode, perplexity }]) => [name, {
      "tokens/s": Math.round(tokens / seconds),
      ...(peer ? { "over PyTorch": (peer.seconds / seconds).toFixed(2) } : {}),
      "decode tokens/s": Math.round((added - 1) / decode),
      ...(peer ? { "decode over PyTorch": (peer.decode / decode).toFixed(2) } : {}),
      perplexity: perplexity.toFixed(4),
    }]),
  ));
  if (torch) console.log(`peak resident memory of PyTorch: ${mebibytes(torch.peak)}`);
}

const wide = await writeWideModel();
try {
  for (const threads of new Set([1, navigator.hardwareConcurrency])) {
    const path = pathOf(new URL("../fixtures/models/llama", import.meta.url));
    await compare("the fixture model", path, windows.length, threads);
    await compare("two layers of width 2048", wide, 2, threads);
  }
} finally {
  await Deno.remove(wide, { recursive: true });
}
console.log(`peak resident memory of this process: ${mebibytes(await peakBytes())}`);
