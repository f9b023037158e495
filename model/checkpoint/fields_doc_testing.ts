/** The table of fields in words, as `docs/models.md` has it: `deno run -A model/checkpoint/fields_doc_testing.ts` prints it. */
import { show } from "../../base/show.ts";
import { modelTypes } from "./config.ts";
import { harmlessFields, refusedFields, sharedFields } from "./shared_fields.ts";
import { typeFields } from "./fields.ts";

const code = (name: string) => `\`${name}\``;

function refusals(refused: Readonly<Record<string, readonly unknown[]>>): string {
  return Object.entries(refused).map(([key, values]) =>
    values.length === 0
      ? code(key)
      : `${code(key)} (but for ${values.map((value) => show(value)).join(", ")})`
  ).join(", ");
}

/** A paragraph for all types, and an item for each. */
export function fieldsInWords(): string {
  const { dtype, torch_dtype: _, ...others } = refusedFields;
  const every = [
    `Read in every type: ${sharedFields.map(code).join(", ")}.`,
    `Refused in every type: ${refusals(others)}; ${code("dtype")} and ${code("torch_dtype")} other than ` +
    `${dtype.map(String).filter((name) => !name.startsWith("torch.")).join(", ")} (with or without ${
      code("torch.")
    }).`,
    `Without effect in every type: ${harmlessFields.map(code).join(", ")}.`,
  ];
  const items = modelTypes.map((type) => {
    const { required, defaults, aliases = {}, rotary, refused = {}, harmless = [] } = typeFields[type];
    const read = Object.entries(defaults).map(([key, value]) =>
      value === null ? code(key) : `${code(key)} (${show(value)})`
    );
    const parts = [
      `**${type}** needs ${required.map(code).join(", ")}; reads ${read.join(", ")}` +
      (rotary === undefined ? "" : ", `rope_parameters`, `rope_scaling`"),
      Object.entries(aliases).map(([alias, name]) => `${code(alias)} is ${code(name)}`).join(", "),
      Object.keys(refused).length === 0 ? "" : `refuses ${refusals(refused)}`,
      harmless.length === 0 ? "" : `without effect: ${harmless.map(code).join(", ")}`,
    ];
    return `- ${parts.filter((part) => part !== "").join("; ")}.`;
  });
  return [...every, items.join("\n")].join("\n\n");
}

if (import.meta.main) console.log(fieldsInWords());
