/** `quantbook scheme`: a scheme as text and as JSON, each printed as the other. */
import type { Verb } from "./verb.ts";

/** The verb. */
export const verb: Verb = {
  about:
    "Prints a scheme in its other form: JSON, all defaults filled in, for a text; the shortest text for JSON. With --json always " +
    "JSON. Entries of a text stand between blanks: weights=gptq:4:g128,actOrder kv=kivi:2 @0(weights=rtn:8).",
  words: [{ name: "SCHEME", about: "text, JSON, or a file with either" }],
  examples: [
    "quantbook scheme 'transforms=smoothQuant:0.5 weights=rtn:8 activations=rtn:8,granularity=token'",
    'quantbook scheme \'{"weights": {"method": "rtn", "bits": 4}}\'',
  ],
  async run(call) {
    const { schemeSource, wordOf } = await import("./model_options.ts");
    const { readScheme, writeScheme } = await import("../quant/notation/scheme.ts");
    const { writeNumbers } = await import("../base/json.ts");
    const source = await schemeSource(wordOf(call, "SCHEME")), scheme = readScheme(source);
    const isJson = source.trimStart().startsWith("{");
    call.out.result(
      scheme,
      () => isJson ? [writeScheme(scheme)] : [JSON.stringify(JSON.parse(writeNumbers(scheme)), null, 2)],
    );
    return 0;
  },
};
