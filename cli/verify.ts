/** `quantbook verify`: a receipt, measured again. */
import { modelOptions } from "./shared_options.ts";
import type { Verb } from "./verb.ts";

/** The verb. */
export const verb: Verb = {
  about:
    "Holds a receipt (of quantbook measure or quantbook sweep run) to itself, and measures its windows, or a task's documents, again: " +
    "all, or a sample. Exit code 1 where something does not agree.",
  words: [{ name: "RECEIPT", about: "file with a receipt" }],
  options: [
    {
      flags: "--sample N",
      about: "windows or documents to measure again, drawn at random; 0 runs no model",
      fallback: "all",
    },
    { flags: "--seed N", about: "seed that draws them", fallback: "0" },
    { flags: "--manifest FILE", about: "of a sweep's row: the sweep's manifest, which has its windows" },
    { flags: "--data PATH", about: "of a task: its rows, where the receipt does not say where they lie" },
    ...modelOptions.slice(0, 1),
  ],
  examples: [
    "quantbook measure fixture:llama --windows 2 --length 64 --receipt receipt.json && quantbook verify receipt.json",
    "quantbook verify receipt.json --sample 1 --json",
  ],
  async run(call) {
    const { verifyReceipt } = await import("../eval/receipt/verify.ts");
    const { readNumbers } = await import("../base/json.ts");
    const { readText } = await import("../base/file.ts");
    const { UsageError } = await import("./command_line.ts");
    const { wordOf } = await import("./model_options.ts");
    const path = wordOf(call, "RECEIPT"), text = await readText(path);
    let receipt: unknown;
    try {
      receipt = readNumbers(text);
    } catch (cause) {
      throw new UsageError(`${path} is no receipt: it is not JSON`, undefined, { cause });
    }
    const found = await verifyReceipt(receipt, {
      sample: call.count("sample", 0),
      seed: call.count("seed", 0),
      data: call.text("data"),
      ...await windowsOf(receipt, call.text("manifest")),
    });
    call.out.result(found, () => [
      `${call.out.bold(found.verdict)}: ${found.covers}`,
      ...found.problems.map(({ message }) => `  ${message}`),
    ]);
    return found.verdict === "refuted" ? 1 : 0;
  },
};

/** The windows of a sweep's row. */
async function windowsOf(receipt: unknown, manifest: string | undefined) {
  if (manifest === undefined) return {};
  const { readText } = await import("../base/file.ts");
  const { windowsOfRow } = await import("../eval/receipt/rows.ts");
  const { parseManifest } = await import("../eval/sweep/manifest.ts");
  return windowsOfRow(receipt, parseManifest(await readText(manifest)));
}
