/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
/** Runs batches of inputs for `main.ts`, which ends this worker when one of them takes too long. */
import { fuzz } from "./run.ts";

self.onmessage = async ({ data }: MessageEvent<{ name: string; first: number; count: number }>) => {
  self.postMessage(await fuzz(data.name, data.first, data.count));
};
