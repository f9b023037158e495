/** How tests hold methods that learn to whole runs of their original code on 16-wide models. */
import { assertEquals, assertLess } from "@std/assert";
import { goldenRun } from "../../eval/oracle.ts";
import {
  assertWithin,
  named,
  type TinyName,
  type TinyRun,
  withTiny,
} from "../../eval/oracle/tiny_testing.ts";
import type { Model } from "../../model/model.ts";
import { BoundedMemory } from "../calibration/memory.ts";
import { DifferentiableBlock, readBlock } from "../gradients/block.ts";
import type { BlockLoss, BlockOutcome } from "../gradients/reconstruction.ts";
import type { QuantizeContext } from "../method.ts";
import { quantize } from "../quantize.ts";
import { blockOf, type BlockVariant, learnBlocks, type LearnedScheme } from "./omniquant.ts";

/** A context that gives windows, and keeps nothing. */
export function contextOf(windows: readonly Int32Array[]): QuantizeContext {
  return { calibration: () => windows, progress() {}, memory: new BoundedMemory(), finished: null };
}

/**
 * Compares losses and norms of all steps, the start, gradients of two steps of the first layer, and logits of the model that was learned.
 * Losses agree within 1e-5 and gradients within 1e-4 of their norm, until an activation falls to the other side of a tie: what comes after
 * `sure` steps is within 2e-2.
 */
export async function checkTinyRun<S extends LearnedScheme>(
  run: TinyRun,
  method: string,
  variantOf: (model: Model, scheme: S) => BlockVariant,
  lossOf: (outcome: BlockOutcome) => BlockLoss,
  sure: number = run.allStepLosses.length,
): Promise<void> {
  const { id, ...config } = run.config, name = run.model === "llama" ? "llama-mha" : run.model;
  const { scheme } = goldenRun("learned", { id: String(id), method, config, model: name });
  const own = scheme.weights as unknown as S;
  await withTiny(run.model as TinyName, async (model, windows) => {
    const variant = variantOf(model, own), runs = await learnBlocks(model, own, contextOf(windows), variant);
    const losses = runs.flatMap((one) => one.losses), norms = runs.flatMap((one) => one.norms);
    assertEquals(losses.length, run.allStepLosses.length);
    for (const [i, loss] of run.allStepLosses.entries()) {
      assertLess(Math.abs(losses[i] / loss - 1), i < sure ? 1e-5 : 2e-2, `loss ${i}`);
      if (i < sure) assertLess(Math.abs(norms[i] / run.allNorms[i] - 1), 1e-4, `norm ${i}`);
    }
    await checkSteps(model, windows, run, own, { variant, lossOf });
    using quantized = await quantize(model, scheme, { calibration: windows });
    // Weights are exact codes, but learned parameters differ by float32's rounding; 4-bit ties of activations may fall either way.
    const share = own.activationBits < 16 ? 3e-2 : 1e-4, logits = await quantized.logits(windows[0]);
    assertWithin(logits.slice(-model.architecture.vocabularySize), run.quantLogits0, share, "logits");
  });
}

async function checkSteps(
  model: Model,
  windows: readonly Int32Array[],
  run: TinyRun,
  own: LearnedScheme,
  { variant, lossOf }: {
    readonly variant: BlockVariant;
    readonly lossOf: (outcome: BlockOutcome) => BlockLoss;
  },
): Promise<void> {
  const { device, architecture } = model, { hiddenSize: columns } = architecture;
  const block = await readBlock(model, 0), start = (await variant.start(contextOf(windows)))(0, block);
  const count = windows.slice(0, own.samples ?? windows.length).length;
  let before = start;
  for (const [i, { step, loss: expected, before: given, grad, after }] of run.steps.entries()) {
    const parameters = new Map(start);
    for (const [name, whole] of given === undefined ? before : named(given)) {
      if (!start.has(name)) continue;
      const values = onDiagonal(whole, start.get(name)?.length ?? 0);
      if (i === 0) assertWithin(start.get(name) ?? [], Array.from(values), 1e-6, `start of ${name}`);
      parameters.set(name, values.slice());
    }
    using embedded = await model.embed(windows[step % count]);
    const x = await device.read(embedded), tokens = x.length / columns;
    const teacher = new DifferentiableBlock(device, architecture, block),
      plain = await teacher.forward(x, tokens);
    const fit = blockOf(model, own, block, parameters, variant);
    const computed = fit.compute(Math.floor(step / count));
    const student = new DifferentiableBlock(device, architecture, computed.parameters, fit.options);
    const tape = await student.forward(x, tokens),
      maps = [{
        found: student.maps(tape)[0],
        target: teacher.maps(plain)[0],
      }];
    const targets = own.augmented ? [plain.output, plain.output] : [plain.output];
    const { loss, gradient, maps: dMaps } = lossOf({ output: tape.output, targets, maps, columns });
    assertLess(Math.abs(loss / expected - 1), 1e-5, `loss of step ${step}`);
    const gradients = computed.back((await student.backward(tape, gradient, true, dMaps)).parameters);
    const stored = named(grad), total = normOf(stored.values());
    for (const [name, values] of gradients) {
      const wanted = Array.from(onDiagonal(stored.get(name) ?? new Float32Array(), values.length));
      const error = Math.sqrt(wanted.reduce((sum, value, k) => sum + (value - values[k]) ** 2, 0));
      // Where the loss does not depend on a parameter, as on q/k scales without positions, its gradient is what float32 leaves of the others.
      assertLess(error, 1e-4 * normOf([wanted]) + 1e-6 * total, `gradient of ${name} at step ${step}`);
    }
    assertEquals(new Set(gradients.keys()), new Set(start.keys()));
    before = named(after);
  }
}

function normOf(all: Iterable<Iterable<number>>): number {
  let squares = 0;
  for (const one of all) for (const value of one) squares += value * value;
  return Math.sqrt(squares);
}

/** The blocks on the diagonal of a matrix that was stored whole, where so many values are expected. */
function onDiagonal(whole: Float32Array, length: number): Float32Array {
  if (whole.length === length) return whole;
  const n = Math.sqrt(whole.length), size = length / n;
  return Float32Array.from({ length }, (_, i) => {
    const row = Math.floor(i / size), first = row - row % size;
    return whole[row * n + first + i % size];
  });
}
