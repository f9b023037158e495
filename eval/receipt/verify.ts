/** Verifies receipts of every kind. */
import { isJsonObject } from "../../base/json.ts";
import { defaultDevice } from "../../kernels/default.ts";
import { ReceiptError } from "./error.ts";
import { checkTaskReceipt } from "./verify/task.ts";
import { checkReceipt, type Verification, type VerifyOptions } from "./verify/windows.ts";

/**
 * Measures a receipt's numbers again, on all windows or on a sample, and lists what does not agree. A sample refutes whatever was
 * changed in the fields of the receipt, and says nothing of the digests of the windows that are not in it. Another number of threads,
 * and other versions than the receipt's, give the same bits; another device does not, and is refused.
 *
 * @param receipt as `makeReceipt` or `makeTaskReceipt` gave it, or as `readNumbers` read it
 * @throws {ReceiptError} `format` when it is no receipt, `option`, or `text` when its windows or rows are not told and not given
 */
export async function verifyReceipt(receipt: unknown, options: VerifyOptions = {}): Promise<Verification> {
  const { sample } = options;
  if (sample !== undefined && !(Number.isSafeInteger(sample) && sample >= 0)) {
    throw new ReceiptError("option", `sample is ${sample}: expected an integer from 0`);
  }
  const device = options.device ?? await defaultDevice();
  return isJsonObject(receipt) && Object.hasOwn(receipt, "quantbookTaskReceipt")
    ? await checkTaskReceipt(receipt, options, device)
    : await checkReceipt(receipt, options, device);
}
