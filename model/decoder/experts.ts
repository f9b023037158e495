/**
 * Mixtures of experts (Shazeer et al., 2017; Mixtral, Jiang et al., 2024): a router gives each expert a probability for
 * each token, the token goes through the most likely experts, and their outputs are added in these proportions.
 */
import { exp } from "../../base/elementary.ts";
import type { DeviceBuffer } from "../../kernels/device.ts";
import type { InputSite } from "../architecture.ts";
import type { LoadedExperts, PassContext } from "./context.ts";
import { Scratch } from "./scratch.ts";

/** Runs tokens `x` `[tokens, hidden]` through the experts that the router picks; the sum goes into `y`. */
export async function mixExperts(
  { device, architecture, interventions }: PassContext,
  layer: number,
  { router, load }: LoadedExperts,
  x: DeviceBuffer,
  y: DeviceBuffer,
  tokens: number,
): Promise<void> {
  const { hiddenSize, activation, experts } = architecture;
  if (experts === undefined) return;
  const { count, intermediateSize } = experts;
  using scratch = new Scratch(device);
  const logits = scratch.take(tokens * count);
  await router.run(x, logits, tokens);
  for (const one of interventions) {
    await one.input?.(x, { layer, site: "mlp", rows: tokens, columns: hiddenSize });
  }
  const shares = routing(await device.read(logits), experts);
  device.write(y, new Float32Array(tokens * hiddenSize));
  for (let expert = 0; expert < count; expert++) {
    const chosen = shares.flatMap((share, token) => share.has(expert) ? [token] : []);
    if (chosen.length === 0) continue;
    using part = new Scratch(device);
    const rows = chosen.length;
    const input = part.take(rows * hiddenSize), output = part.take(rows * hiddenSize);
    const gate = part.take(rows * intermediateSize), up = part.take(rows * intermediateSize);
    for (const [row, token] of chosen.entries()) {
      device.copy(x, token * hiddenSize, input, row * hiddenSize, hiddenSize);
    }
    const linears = await load(expert);
    const observe = async (x: DeviceBuffer, site: InputSite, columns: number) => {
      for (const one of interventions) await one.expertInput?.(x, { layer, site, rows, columns, expert });
    };
    await observe(input, "mlp", hiddenSize);
    await linears.gate.run(input, gate, rows);
    await linears.up.run(input, up, rows);
    device.activate(activation, gate);
    device.multiply(up, gate);
    for (const one of interventions) {
      await one.input?.(up, { layer, site: "down", rows, columns: intermediateSize });
    }
    await observe(up, "down", intermediateSize);
    await linears.down.run(up, output, rows);
    // Row `token` of the sum gains `share * output[row]`: a product with a matrix that has one entry per column.
    const scatter = new Float32Array(tokens * rows);
    for (const [row, token] of chosen.entries()) scatter[token * rows + row] = shares[token].get(expert) ?? 0;
    using proportions = device.upload(scatter);
    device.gemm(proportions, output, y, { m: tokens, n: hiddenSize, k: rows, beta: 1 });
  }
}

/** For each token its experts and their shares: softmax over all experts, then the largest ones. */
export function routing(
  logits: Float32Array,
  { count, perToken, normalized }: { count: number; perToken: number; normalized: boolean },
): Map<number, number>[] {
  return Array.from({ length: logits.length / count }, (_, token) => {
    const row = [...logits.subarray(token * count, (token + 1) * count)];
    const most = Math.max(...row);
    const weights = row.map((value) => exp(value - most));
    const order = row.map((_, expert) => expert).sort((a, b) => row[b] - row[a] || a - b).slice(0, perToken);
    const total = (normalized ? order.map((expert) => weights[expert]) : weights).reduce((a, b) => a + b);
    return new Map(order.map((expert) => [expert, weights[expert] / total]));
  });
}
