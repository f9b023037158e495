/** The two ends of a decoder: from ids to hidden states, and from hidden states to logits. */
import { tanh } from "../../base/elementary.ts";
import type { DeviceBuffer } from "../../kernels/device.ts";
import type { PassContext } from "./context.ts";
import { normalize } from "./norm.ts";
import { fixedNames, loadNorm, type ModelParameters, required } from "./parameters.ts";

/** Hidden states `[tokens, hidden]` before the first layer. The caller releases them. */
export async function embed(
  context: PassContext,
  parameters: ModelParameters,
  ids: Int32Array,
  position: number,
): Promise<DeviceBuffer> {
  const { device, architecture } = context;
  const { hiddenSize, positions, embeddingProjection, embeddingScale, embeddingNorm } = architecture;
  const table = await parameters.embedding.values();
  const width = embeddingProjection?.size ?? hiddenSize;
  let rows = new Float32Array(ids.length * width);
  for (const [t, id] of ids.entries()) rows.set(table.subarray(id * width, (id + 1) * width), t * width);
  if (embeddingScale !== undefined) rows = rows.map((value) => value * embeddingScale);
  const into = parameters.fixed.get(fixedNames.into);
  if (into !== undefined) {
    using narrow = device.upload(rows), wide = device.allocate(ids.length * hiddenSize);
    await (await into.load()).run(narrow, wide, ids.length);
    rows = Float32Array.from(await device.read(wide));
  }
  if (positions.kind === "learned" && parameters.positions !== undefined) {
    const learned = await parameters.positions();
    const first = (position + positions.offset) * hiddenSize;
    for (let i = 0; i < rows.length; i++) rows[i] += learned[first + i];
  }
  if (embeddingNorm === undefined) return device.upload(rows);
  using plain = device.upload(rows);
  const normed = device.allocate(rows.length);
  normalize(context, await loadNorm(parameters, embeddingNorm), plain, normed, ids.length);
  return normed;
}

/** What the output projection reads, `[rows, hidden]`, of hidden states after the last layer. The caller releases it. */
export async function final(
  context: PassContext,
  parameters: ModelParameters,
  hidden: DeviceBuffer,
  rows: number,
): Promise<DeviceBuffer> {
  const { device, architecture: { hiddenSize, finalNorm, embeddingProjection } } = context;
  let states = device.allocate(rows * hiddenSize);
  if (finalNorm === null) device.copy(hidden, 0, states, 0, rows * hiddenSize);
  else normalize(context, await loadNorm(parameters, finalNorm), hidden, states, rows);
  const out = parameters.fixed.get(fixedNames.out);
  if (out !== undefined && embeddingProjection !== undefined) {
    using wide = states;
    states = device.allocate(rows * embeddingProjection.size);
    await (await out.load()).run(wide, states, rows);
  }
  return states;
}

/** Logits `[rows, vocabulary]` of hidden states `[rows, hidden]`. The caller releases them. */
export async function project(
  context: PassContext,
  parameters: ModelParameters,
  hidden: DeviceBuffer,
  rows: number,
): Promise<DeviceBuffer> {
  const { device, architecture: { vocabularySize, logitScale, logitSoftcap } } = context;
  using states = await final(context, parameters, hidden, rows);
  const columns = states.length / rows;
  for (const one of context.interventions) await one.head?.(states, { rows, columns });
  const logits = device.allocate(rows * vocabularySize);
  await (await required(parameters.fixed, fixedNames.head).load()).run(states, logits, rows);
  if (logitScale !== undefined) {
    using factor = device.upload(Float32Array.of(logitScale));
    device.multiply(logits, factor);
  }
  if (logitSoftcap !== undefined) {
    const values = await device.read(logits);
    device.write(logits, values.map((value) => logitSoftcap * tanh(value / logitSoftcap)));
  }
  return logits;
}
