/** `quantbook methods`: what there is, from the tables that the builders read. */
import { didYouMean } from "../base/nearest.ts";
import type { CatalogueEntry } from "../quant/notation/catalogue.ts";
import { UsageError } from "./command_line.ts";
import { columns } from "./output.ts";
import type { Verb } from "./verb.ts";

/** The verb. */
export const verb: Verb = {
  about:
    "Lists the methods: which parts of a scheme they fill and where they were published; with NAME, a method's options, what " +
    "they accept and their defaults.",
  words: [{ name: "[NAME]", about: "a method" }],
  examples: ["quantbook methods", "quantbook methods gptq"],
  async run({ words: [name], out }) {
    const { catalogue } = await import("../quant/notation/catalogue.ts");
    const all = catalogue();
    if (name === undefined) {
      const rows = all.map(({ name, fills, paper }) => [
        name,
        fills.join(", "),
        paper === undefined ? "" : `${paper.authors}, ${paper.link}`,
      ]);
      out.result(all, () => columns([["method", "fills", "published"], ...rows]));
      return 0;
    }
    const one = all.find((entry) => entry.name === name);
    if (one === undefined) {
      const names = all.map((entry) => entry.name);
      throw new UsageError(
        `there is no method ${JSON.stringify(name)}${
          didYouMean(name, names) || `: expected one of ${names.join(", ")}`
        }`,
      );
    }
    out.result(one, () => [out.bold(one.name), ...describe(one)]);
    return 0;
  },
};

function describe({ name, paper, fills, calibrates, short, options }: CatalogueEntry): string[] {
  const rows = options.map(({ name, expected, fallback, required }) => [
    `  ${name}`,
    required
      ? "must be given"
      : fallback === undefined
      ? "may be absent"
      : `default ${JSON.stringify(fallback)}`,
    expected,
  ]);
  return [
    ...paper === undefined ? [] : [`${paper.authors}: ${paper.title}`, paper.link],
    `fills ${fills.join(", ")}${calibrates ? "; looks at a calibration text" : ""}`,
    ...rows.length === 0 ? [] : [`${name}:VALUE sets ${short}`, "", ...columns(rows)],
  ];
}
