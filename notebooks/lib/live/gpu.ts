/** The worker of the second button: the GPU held to the plain twin first, then the cell, beside what noise of float32's size does to it. */
import { log } from "../../../base/elementary.ts";
import { measure } from "../../../browser/measure.ts";
import { findAdapter } from "../../../kernels/gpu/adapter.ts";
import { gpuDevice } from "../../../kernels/gpu/device.ts";
import { referenceDevice } from "../../../kernels/reference.ts";
import { selfCheck } from "../../../kernels/self_check.ts";
import { draws, intervalOf, noisy } from "./gpu/noise.ts";
import { answer, load, post } from "./worker/load.ts";

/** A part of the work, from one share to another. */
const telling = (what: string, from: number, to: number) => (doing: string, share: number) =>
  post({ kind: "progress", what: `${what}: ${doing}`, share: from + (to - from) * share });
const short = (value: number) => value.toExponential(1);

answer(async (question) => {
  const given = await load(question), start = performance.now(), { stored, run } = question;
  const adapter = await findAdapter();
  if (typeof adapter === "string") {
    return {
      kind: "gpu",
      failed: true,
      text: `This browser gives no GPU (${adapter}): nothing was measured.`,
    };
  }
  using device = await gpuDevice();
  telling("GPU", 0.2, 0.3)("testing its operations", 0);
  const checks = await selfCheck(device, referenceDevice()), wrong = checks.filter(({ passed }) => !passed);
  if (wrong.length > 0) {
    const list = wrong.map(({ operation, error }) =>
      error === null ? `${operation}: other bits` : `${operation}: ${error.toPrecision(2)} of its bound`
    );
    return {
      kind: "gpu",
      failed: true,
      text: `${device.description} computes wrong (${list.join("; ")}): nothing was measured on it.`,
    };
  }
  const { perplexity } = await measure(
    { ...given, onProgress: telling("GPU", 0.3, 0.5) },
    { device },
  );
  const seconds = (performance.now() - start) / 1000, found: number[] = [];
  const rewritten = run.scheme !== null && typeof run.scheme === "object" && "transforms" in run.scheme;
  for (let seed = 1; seed <= draws; seed++) {
    const [from, to] = [seed - 1, seed].map((done) => 0.5 + 0.5 * done / draws);
    const { perplexity } = await measure(
      { ...given, onProgress: telling(`CPU with noise, ${seed} of ${draws}`, from, to) },
      { change: (model) => noisy(model, seed, rewritten) },
    );
    found.push(perplexity);
  }
  const difference = log(perplexity / stored.perplexity), [low, high] = intervalOf(stored.perplexity, found);
  const within = low <= difference && difference <= high;
  const largest = Math.max(...checks.map(({ error }) => error ?? 0));
  return {
    kind: "gpu",
    failed: !within,
    text: `${device.description}: perplexity ${perplexity}, ${short(difference)} from the stored run's ` +
      `(relative), ${within ? "within" : "beyond"} ${short(low)} to ${
        short(high)
      }, where ${draws} runs on the CPU with ` +
      `noise of float32's size put it; in ${seconds.toFixed(1)} s. Its operations came to ${
        largest.toFixed(2)
      } of their bounds. It sums in another order, so it has no certificate.`,
  };
});
