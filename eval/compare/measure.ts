/** One pass of a reference and of candidates over a window: numbers of every position, and no logits kept. */
import type { DeviceBuffer } from "../../kernels/device.ts";
import { ModelError } from "../../model/error.ts";
import type { Model } from "../../model/model.ts";
import { ReferenceRow } from "./position.ts";

/** What a pass found at the positions of a window, one element a token. */
export interface WindowRecord {
  /** KL(reference || candidate), in nats. */
  readonly divergence: Float64Array;
  /** Probability of the token that the reference finds most likely. */
  readonly confidence: Float64Array;
  /** Minus the log-probability of the next token by the reference, in nats; NaN at the last position. */
  readonly referenceSurprise: Float64Array;
  /** Minus the log-probability of the next token by the candidate, in nats; NaN at the last position. */
  readonly surprise: Float64Array;
  /** 1 where both find the same token most likely. */
  readonly top1: Float64Array;
  /** Share of the reference's five most likely tokens that are among the candidate's. */
  readonly top5: Float64Array;
}

/** Logits that are held of a model at once: 32 MiB, so that a head is read rarely and 150,000 columns fit often. */
const held = 2 ** 23;

/**
 * Runs the reference and the candidates over one window `[tokens]`. Hidden states of the window are held of each model, logits of
 * as many positions as {@linkcode held} allows.
 *
 * @throws {ModelError} `nan`, where logits are no numbers
 */
export async function measureWindow(
  reference: Model,
  candidates: readonly Model[],
  ids: Int32Array,
): Promise<WindowRecord[]> {
  const models = [reference, ...candidates], tokens = ids.length;
  const widths = models.map(({ architecture }) => architecture.vocabularySize);
  const row = new ReferenceRow(Math.min(...widths));
  const found = candidates.map(() => emptyRecord(tokens));
  const step = Math.max(1, Math.floor(held / Math.max(...widths)));
  const hidden: DeviceBuffer[] = [];
  try {
    for (const model of models) hidden.push(...await model.hiddenStates([ids]));
    for (let first = 0; first < tokens; first += step) {
      const rows = Math.min(step, tokens - first), logits: Float32Array[] = [];
      for (const [i, model] of models.entries()) logits.push(await project(model, hidden[i], first, rows));
      for (let r = 0; r < rows; r++) {
        const at = first + r, next = at + 1 < tokens ? ids[at + 1] : undefined;
        const own = (i: number) => logits[i].subarray(r * widths[i], (r + 1) * widths[i]);
        row.set(own(0), next);
        requireNumber(row.confidence, reference, at, ids);
        for (const [c, record] of found.entries()) {
          addPosition(record, at, row, own(c + 1), next);
          requireNumber(record.divergence[at], candidates[c], at, ids);
        }
      }
    }
  } finally {
    for (const states of hidden) states[Symbol.dispose]();
  }
  return found;
}

/** Holds a candidate's logits of a position against the reference's, and puts down what is found. */
export function addPosition(
  record: WindowRecord,
  at: number,
  row: ReferenceRow,
  logits: Float32Array,
  next: number | undefined,
): void {
  const position = row.compare(logits, next);
  record.divergence[at] = position.divergence;
  record.confidence[at] = row.confidence;
  record.referenceSurprise[at] = row.surprise;
  record.surprise[at] = position.surprise;
  record.top1[at] = Number(position.top1);
  record.top5[at] = position.top5;
}

/** Logits `[rows, vocabulary]` of some positions. */
async function project(
  model: Model,
  hidden: DeviceBuffer,
  first: number,
  rows: number,
): Promise<Float32Array> {
  const { device, architecture: { hiddenSize } } = model;
  using part = device.allocate(rows * hiddenSize);
  device.copy(hidden, first * hiddenSize, part, 0, rows * hiddenSize);
  using logits = await model.project(part, rows);
  return await device.read(logits);
}

/** A record with room for so many tokens. */
export function emptyRecord(tokens: number): WindowRecord {
  const array = () => new Float64Array(tokens);
  return {
    divergence: array(),
    confidence: array(),
    referenceSurprise: array(),
    surprise: array(),
    top1: array(),
    top5: array(),
  };
}

function requireNumber(value: number, { name }: Model, at: number, ids: Int32Array): void {
  if (!Number.isNaN(value)) return;
  throw new ModelError("nan", `${name}: the logits after token ${at} (id ${ids[at]}) hold NaN`);
}
