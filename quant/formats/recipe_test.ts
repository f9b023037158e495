/** Every exported file carries how it was made, in its metadata and in its card; who reads it is not disturbed. */
import { assert, assertEquals } from "@std/assert";
import { readFields } from "../../base/protobuf.ts";
import { readText } from "../../base/file.ts";
import { openGguf } from "../../model/gguf/file.ts";
import { loadModel } from "../../model/load.ts";
import { rtn } from "../methods/rtn.ts";
import { smoothQuant } from "../methods/smoothquant.ts";
import { writeScheme } from "../notation/scheme.ts";
import { quantize } from "../quantize.ts";
import { exportFormats, exportModel } from "./export.ts";
import { recipeIn, recipeKey } from "./recipe.ts";

const calibration = [Int32Array.from({ length: 32 }, (_, i) => 1 + (37 * i) % 500)];
const scheme = {
  transforms: [smoothQuant({ alpha: 0.5 })],
  weights: rtn({ bits: 4, groupSize: 128, symmetric: true, codes: "offsetBinary" }),
};
const options = {
  metrics: { perplexity: { value: 21.5, interval: [20, 23.25], level: 0.95 }, tasks: 0.25 },
  scheme: writeScheme(scheme),
  receipt: "SHA-256 0123",
} as const;

/** Metadata of an ONNX file: entries of field 14, each with a key and a value. */
function onnxMetadata(bytes: Uint8Array): Map<string, unknown> {
  const decoder = new TextDecoder(), found = new Map<string, unknown>();
  for (const { field, value } of readFields(bytes)) {
    if (field !== 14 || !(value instanceof Uint8Array)) continue;
    const parts = [...readFields(value)].map((one) => decoder.decode(one.value as Uint8Array));
    found.set(parts[0], parts[1]);
  }
  return found;
}

/** Metadata of a safetensors file: a 64-bit length, then JSON. */
function safetensorsMetadata(bytes: Uint8Array<ArrayBuffer>): Map<string, unknown> {
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  return new Map(
    Object.entries(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))).__metadata__),
  );
}

for (const format of exportFormats) {
  Deno.test(`${format}: the files and the card carry the recipe`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      // MARLIN's order takes rows by 256.
      const name = format === "marlin" ? "fixture:opt" : "fixture:llama";
      using model = await loadModel(name);
      using quantized = await quantize(model, scheme, { calibration });
      const file = await exportModel(quantized, directory, { format, ...options });
      const metadata = format === "onnx"
        ? onnxMetadata(await Deno.readFile(file))
        : format === "gguf"
        ? (await openGguf(file)).metadata
        : safetensorsMetadata(await Deno.readFile(file));
      const recipe = recipeIn(metadata);
      assertEquals(recipe, {
        model: name,
        source: await model.checkpoint.sha256(),
        scheme: options.scheme,
        calibration: (quantized.changes[0] as { calibration: string }).calibration,
        changes: JSON.parse(JSON.stringify(quantized.changes)),
        measured: { perplexity: options.metrics.perplexity, tasks: { value: 0.25 } },
        receipt: options.receipt,
      });
      const card = await readText(`${directory}/README.md`);
      const said = [
        recipe?.source,
        recipe?.calibration,
        options.scheme,
        options.receipt,
        "| 20 to 23.25 (95%) |",
        recipeKey,
      ];
      for (const one of said) assert(one && card.includes(one), `${one} is not in the card:\n${card}`);
      if (format !== "gguf") return;
      using again = await loadModel(file);
      assertEquals(again.notices, []);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}
