/** `deno run -A examples/own_export.ts [DIRECTORY]`: a quantized model as files that other runtimes load, opened again and compared. */
import { corpus, exportModel, loadModel, perplexity, quantize, rtn } from "quantbook";

const directory = Deno.args[0] ?? await Deno.makeTempDir();
using model = await loadModel("fixture:llama");
using quantized = await quantize(model, { weights: rtn({ bits: 4, groupSize: 32, symmetric: true }) });
const windows = await corpus("sotu", { split: "test", windows: 2, length: 256 });
const { value } = await perplexity(quantized, windows);

for (const format of ["gguf", "gptq", "compressed-tensors", "onnx"] as const) {
  const file = await exportModel(quantized, `${directory}/${format}`, {
    format,
    metrics: { perplexity: value },
  });
  console.log(`${format.padEnd(18)} ${((await Deno.stat(file)).size / 1e6).toFixed(1)} MB  ${file}`);
}
// llama.cpp's format is one that is read back here.
const [file] = [...Deno.readDirSync(`${directory}/gguf`)].filter(({ name }) => name.endsWith(".gguf"));
using again = await loadModel(`${directory}/gguf/${file.name}`);
const reread = await perplexity(again, windows);
console.log(`perplexity ${value.toFixed(3)}, from the file ${reread.value.toFixed(3)}`);
