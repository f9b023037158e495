/** `quantbook sizes`: what a model takes, and what of. */
import { bytes, columns } from "./output.ts";
import { calibrationOptions, modelWord, schemeOptions } from "./shared_options.ts";
import type { PartSize, Size } from "../quant/weights/sizes.ts";
import type { Verb } from "./verb.ts";

/** The verb. */
export const verb: Verb = {
  about:
    "Counts what a model takes: bits per weight of its linear layers, which papers print, of the whole model, and of its files; then by " +
    "what tensors are. Files that others have quantized count as they store it; with a scheme, what the scheme makes of the model.",
  words: [modelWord],
  options: [...schemeOptions, ...calibrationOptions],
  examples: [
    "quantbook sizes fixture:llama",
    "quantbook sizes fixture:llama --weights rtn:4:g32 --json",
  ],
  async run(call) {
    const { calibrationOf, schemeOf, wordOf } = await import("./model_options.ts");
    const { quantize } = await import("../quant/quantize.ts");
    const { loadModel } = await import("../quant/published/load.ts");
    const { writeScheme } = await import("../quant/notation/scheme.ts");
    const { sizes, sum } = await import("../quant/weights/sizes.ts");
    const { out } = call, scheme = await schemeOf(call), text = writeScheme(scheme);
    // Nothing runs: what a file says of activations does not matter.
    using model = await loadModel(wordOf(call, "MODEL"), { activations: "float" });
    for (const notice of model.notices) out.note(notice);
    using quantized = text === "float"
      ? null
      : await quantize(model, scheme, { calibration: await calibrationOf(call, model) });
    const found = sizes(quantized ?? model);
    const line = (name: string, { bitsPerWeight, bytes: count, weights }: Size) => [
      name,
      `${bitsPerWeight.toFixed(3)} bits per weight`,
      bytes(count),
      `${weights} weights`,
    ];
    const groups = new Map<string, PartSize[]>();
    for (const part of found.parts) {
      const kind = part.kind === "linear" ? part.role ?? part.kind : part.kind;
      groups.set(kind, [...groups.get(kind) ?? [], part]);
    }
    const parts = [...groups].map(([kind, all]) => {
      const size = sum(all), share = 100 * size.bytes / found.model.bytes;
      const formats = [...new Set(all.map(({ format }) => format))].sort().join(", ");
      return [kind, `${share.toFixed(1)} %`, size.bitsPerWeight.toFixed(3), bytes(size.bytes), formats];
    });
    out.result({ name: model.name, scheme: text, ...found }, () => [
      `${out.bold(model.name)}${text === "float" ? "" : `, ${text}`}`,
      ...columns([
        line("linear layers", found.linear),
        line("whole model", found.model),
        ...found.file === null ? [] : [line("files", found.file)],
      ]),
      "",
      ...columns([["part", "share", "bits per weight", "size", "stored as"], ...parts]),
    ]);
    return 0;
  },
};
