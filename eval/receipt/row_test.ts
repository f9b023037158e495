/** Receipts of the rows of sweeps: their numbers, their keys, and what is changed in them. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { readNumbers, writeNumbers } from "../../base/json.ts";
import { cpuDevice } from "../../kernels/cpu/device.ts";
import { kivi } from "../../quant/methods/kivi.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import { corpus } from "../corpus.ts";
import { makeReceipt } from "../receipt.ts";
import { verifyReceipt } from "./verify.ts";
import { sweep } from "../sweep.ts";
import { ReceiptError } from "./error.ts";
import { type Receipt, sealOf } from "./receipt.ts";

using device = await cpuDevice({ threads: 1 });
const text = { name: "sotu", windows: 3, length: 24 }, windows = await corpus("sotu", text);
const cells = [
  { model: "fixture:llama", label: "W4", scheme: { weights: rtn({ bits: 4 }) } },
  // Two stages, of which a sweep keeps the first.
  { model: "fixture:llama", label: "W3 KV2", scheme: { weights: rtn({ bits: 3 }), kv: kivi({ bits: 2 }) } },
];
const [row, other] = await sweep(cells, { windows, results: null, device });
const run = { model: "fixture:llama", text, reference: { model: "fixture:llama" }, device };
const honest = await makeReceipt({ ...run, scheme: row.scheme, row });

Deno.test("the receipt of a row has its numbers and its key, and is confirmed", async () => {
  for (const one of [row, other]) {
    const made = one === row ? honest : await makeReceipt({ ...run, scheme: one.scheme, row: one });
    const { label, key, bitsPerWeight, modelBitsPerWeight } = one;
    assertEquals(made.row, { label, key, bitsPerWeight, modelBitsPerWeight });
    assertEquals(made.value.perplexity.value, one.perplexity.value);
    assertEquals(made.windows.map(({ loss }) => loss), one.perplexity.windowNll);
    assertEquals(made.value.divergence?.value, one.divergence?.value);
    const found = await verifyReceipt(readNumbers(writeNumbers(made)), { device, sample: 1 });
    assertEquals([found.verdict, found.problems], ["confirmed", []]);
  }
});

Deno.test("a row of another run, or with other numbers, gets no receipt", async () => {
  const refused = async (changed: Parameters<typeof makeReceipt>[0], message: string) => {
    const error = await assertRejects(() => makeReceipt(changed), ReceiptError, message);
    assertEquals(error.code, "row");
  };
  const { scheme } = row, { perplexity } = row;
  await refused({ ...run, scheme, row: other }, 'row "W3 KV2": its key is');
  await refused({ ...run, scheme, row, text: { ...text, length: 25 } }, 'row "W4": its key is');
  await refused({ ...run, scheme, row, execution: "packed" }, 'row "W4": its key is');
  await refused(
    { ...run, scheme, row: { ...row, perplexity: { ...perplexity, value: perplexity.value - 1 } } },
    "its perplexity is",
  );
  await refused(
    { ...run, scheme, row: { ...row, bitsPerWeight: 3 } },
    "its bitsPerWeight is 3, measured again",
  );
  await refused({ ...run, scheme, row, reference: undefined }, "its divergence is");
});

/** A forger knows how receipts are made, and seals what he changed. */
function forged(change: Partial<NonNullable<Receipt["row"]>>): Receipt {
  const { digests, seal: _, row: claim, ...rest } = honest;
  assert(claim !== undefined);
  const body = { ...rest, row: { ...claim, ...change } };
  return { ...body, digests, seal: sealOf(body, digests) };
}

Deno.test("forged rows are found", async () => {
  const forgeries: readonly (readonly [code: string, sample: number, Receipt])[] = [
    ["row", 0, forged({ key: other.key })],
    ["row", 1, forged({ bitsPerWeight: 3 })],
    ["row", 1, forged({ modelBitsPerWeight: 3 })],
    ["digest", 1, forged({ label: "W2" })],
  ];
  for (const [code, sample, receipt] of forgeries) {
    const { verdict, problems } = await verifyReceipt(receipt, { device, sample });
    assertEquals(verdict, "refuted");
    assert(problems.some((one) => one.code === code), JSON.stringify(problems));
  }
  const { row: _, ...without } = forged({});
  assertEquals((await verifyReceipt(without, { device, sample: 1 })).verdict, "refuted");
});
