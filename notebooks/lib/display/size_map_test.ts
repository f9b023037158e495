/** The map of a model has a field for each sort of tensor of each layer, and says the numbers by their names. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { pathOf } from "../../../base/file.ts";
import { isObject, own } from "../json.ts";
import { loadModel, quantize, rtn } from "../../../mod.ts";
import { sizes } from "../../../quant/mod.ts";
import { VEGA_LITE } from "./plot.ts";
import { sizeMap } from "./size_map.ts";

async function drawn(
  display: ReturnType<typeof sizeMap>,
): Promise<{ bars: unknown[]; map: unknown[]; alt: string }> {
  const bundle = await display.render(), panels = own(bundle[VEGA_LITE], "vconcat");
  assert(Array.isArray(panels));
  const [bars, map] = panels.map((panel) => own(own(panel, "data"), "values"));
  assert(Array.isArray(bars) && Array.isArray(map));
  return { bars, map, alt: String(bundle["text/plain"]) };
}

Deno.test("a quantized model: its linear layers beside the embedding that stayed float", async () => {
  using model = await loadModel("fixture:llama");
  using quantized = await quantize(model, { weights: rtn({ bits: 4, groupSize: 32, symmetric: true }) });
  const { bars, map, alt } = await drawn(sizeMap(sizes(quantized), "Llama"));
  // Four layers of seven linear layers and their norms; the final norm and the embedding.
  assertEquals(map.length, 4 * 8 + 2);
  assertEquals(bars.map((bar) => own(bar, "column")), [
    "q",
    "k",
    "v",
    "o",
    "gate",
    "up",
    "down",
    "norm",
    "embedding",
  ]);
  const embedding = bars.find((bar) => own(bar, "column") === "embedding");
  // 2048 rows of 256 in float16.
  assertEquals([own(embedding, "kibibytes"), own(embedding, "bits")], [1024, 16]);
  const down = map.find((cell) => isObject(cell) && cell.row === "3" && cell.column === "down");
  assertEquals([own(down, "weights"), own(down, "bits"), own(down, "label")], [512 * 256, 5, "5.0"]);
  assertStringIncludes(alt, "embedding 41 % (16.00 bits per weight)");
});

Deno.test("a file of others: the type of each tensor, in files of blocks too", async () => {
  const path = pathOf(new URL("../../../fixtures/gguf/split/split-00001-of-00002.gguf", import.meta.url));
  using model = await loadModel(path);
  const { map } = await drawn(sizeMap(sizes(model), "A type per matrix"));
  const cell = (row: string, column: string) =>
    map.find((one) => isObject(one) && one.row === row && one.column === column);
  assertEquals([own(cell("0", "up"), "formats"), own(cell("0", "up"), "bits")], ["MXFP4", 4.25]);
  assertEquals([own(cell("outside", "embedding"), "formats")], ["Q8_0"]);
});
