/** What a receipt says of the row of a sweep: that its numbers are those of the row, and what the row is stored under. */
import { show } from "../../base/show.ts";
import type { Model } from "../../model/model.ts";
import { ownCode } from "../../quant/quantize/code.ts";
import { resolveScheme } from "../../quant/quantize/resolve.ts";
import { parseScheme, type Scheme } from "../../quant/scheme.ts";
import { type Execution, weightStorage } from "../../quant/weights/linear.ts";
import { sizes } from "../../quant/weights/sizes.ts";
import { cellKey, hashTokens, measuringCode, type Row } from "../sweep/cell.ts";
import type { TokenWindows } from "../windows.ts";
import { ReceiptError } from "./error.ts";
import type { RowClaim, ValueClaim } from "./receipt.ts";

/** What the key of a row follows from. */
export interface RowRun {
  /** The model in its files. */
  readonly files: Model;
  /** What is done to it. */
  readonly scheme: Scheme;
  /** The scored windows. */
  readonly windows: TokenWindows;
  /** The windows that methods calibrate on. */
  readonly calibration: TokenWindows;
  /** How quantized weights are multiplied. */
  readonly execution: Execution;
}

/** What a sweep stores the row of such a run under. */
export async function keyOfRow(run: RowRun): Promise<string> {
  const { files, execution } = run, scheme = parseScheme(run.scheme);
  return cellKey({
    code: await measuringCode(),
    device: files.device.name,
    execution,
    windows: hashTokens(run.windows),
    calibration: hashTokens(run.calibration),
    model: await files.hash(),
    scheme,
    methods: (await ownCode(resolveScheme(scheme))).code,
  });
}

/** The storage of a model as a row has it. */
export function storageOfRow(model: Model): Pick<RowClaim, "bitsPerWeight" | "modelBitsPerWeight"> {
  return {
    bitsPerWeight: weightStorage(model).bitsPerWeight,
    modelBitsPerWeight: sizes(model).model.bitsPerWeight,
  };
}

/**
 * The claim of a row, whose numbers were measured again.
 *
 * @throws {ReceiptError} `row`, where the row is of another run or has other numbers
 */
export async function claimOfRow(
  row: Row,
  run: RowRun,
  model: Model,
  { perplexity, divergence }: Omit<ValueClaim, "comparison">,
): Promise<RowClaim> {
  const storage = storageOfRow(model), key = await keyOfRow(run);
  const pairs: readonly (readonly [name: string, says: unknown, found: unknown])[] = [
    ["key", row.key, key],
    ["perplexity", row.perplexity.value, perplexity.value],
    ["perplexity's standard error", row.perplexity.standardError, perplexity.standardError],
    ["divergence", row.divergence?.value, divergence?.value],
    ["bitsPerWeight", row.bitsPerWeight, storage.bitsPerWeight],
    ["modelBitsPerWeight", row.modelBitsPerWeight, storage.modelBitsPerWeight],
  ];
  for (const [name, says, found] of pairs) {
    if (Object.is(says, found)) continue;
    throw new ReceiptError(
      "row",
      `row ${show(row.label)}: its ${name} is ${show(says)}, measured again ${show(found)}`,
    );
  }
  return { label: row.label, key, ...storage };
}
