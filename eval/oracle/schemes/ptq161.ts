/** Runs of PTQ1.61's original code (`zjq0455/PTQ1.61`) without training. */
import { show } from "../../../base/show.ts";
import { ptq161 } from "../../../quant/methods/ptq161.ts";
import { OracleError } from "../error.ts";
import type { GoldenReader } from "./golden.ts";

const known = ["quant_type", "epochs", "ratio", "wbits"];

/** `{ quant_type: "mix", epochs: 0, ratio: 0.2 }`; `low` has signs alone. */
export const readPtq161: GoldenReader = ({ id, config }) => {
  const refused = (name: string, expected: string) =>
    new OracleError("id", `${id}: ${name} is ${show(config[name])}: expected ${expected}`);
  const other = Object.keys(config).find((name) => !known.includes(name));
  if (other !== undefined) throw refused(other, `none but ${known.join(", ")}`);
  const { quant_type: type = "mix", epochs = 0, ratio = 0.2, wbits: bits = 4 } = config;
  if (epochs !== 0) throw refused("epochs", "0, as nothing is trained here");
  if (typeof ratio !== "number" || typeof bits !== "number") throw refused("ratio", "a number, as wbits is");
  if (type === "low") return { scheme: { weights: ptq161({ ratio: 0 }) }, calibrationWindows: 0 };
  if (type !== "mix") throw refused("quant_type", '"mix" or "low"');
  return { scheme: { weights: ptq161({ ratio, bits, mask: "original" }) }, calibrationWindows: 32 };
};
