/** What a model stores: a field for each layer and sort of tensor, coloured by its bits per weight, and lists of tensors. */

const made = (name, given = {}, ...children) => {
  const node = Object.assign(document.createElement(name), given);
  node.append(...children);
  return node;
};
const order = [
  "q",
  "k",
  "v",
  "o",
  "gate",
  "up",
  "down",
  "in",
  "x",
  "dt",
  "out",
  "recurrence",
  "router",
  "norm",
  "bias",
];
const size = (bytes) =>
  bytes < 2 ** 20 ? `${(bytes / 1024).toFixed(0)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const bitsOf = (parts) => {
  const total = (key) => parts.reduce((sum, one) => sum + one[key], 0);
  return { bytes: total("bytes"), bits: 8 * total("bytes") / total("weights") };
};
const boxed = (label, table) =>
  made("div", { className: "table-box", tabIndex: 0, role: "region", ariaLabel: label }, table);

/** Rows of a layer each, fields of a sort of tensor each; the last row is what stands outside of the layers. */
export function mapOf({ parts, model }) {
  const columnOf = ({ kind, role }) => kind === "linear" && role !== null ? role : kind;
  const named = [...new Set(parts.filter(({ layer }) => layer !== null).map(columnOf))];
  const columns = named.sort((a, b) => order.indexOf(a) - order.indexOf(b));
  const layers = [...new Set(parts.map(({ layer }) => layer).filter((layer) => layer !== null))].sort((
    a,
    b,
  ) => a - b);
  const field = (found, label = "") => {
    if (found.length === 0) return made("td");
    const { bytes, bits } = bitsOf(found),
      formats = [...new Set(found.map(({ format }) => format))].join(", ");
    const cell = made("td", { className: "own-field" }, `${label}${bits.toFixed(1)}`);
    // From pale at 1 bit to full at 16.
    cell.style.setProperty("--share", `${Math.round(Math.min(1, bits / 16) * 100)}%`);
    cell.dataset.tip = `bits per weight: ${bits.toFixed(3)}; stored: ${size(bytes)}; share: ${
      (100 * bytes / model.bytes).toFixed(1)
    } %; type: ${formats}`;
    return cell;
  };
  const head = made("tr", {}, ...["layer", ...columns].map((text) => made("th", { scope: "col" }, text)));
  const rows = layers.map((layer) =>
    made(
      "tr",
      {},
      made("th", { scope: "row" }, String(layer)),
      ...columns.map((column) =>
        field(parts.filter((one) => one.layer === layer && columnOf(one) === column))
      ),
    )
  );
  const outside = parts.filter(({ layer }) => layer === null);
  const ends = made(
    "p",
    { className: "own-ends" },
    `Outside of the layers: ${
      [...new Set(outside.map(columnOf))].map((column) => {
        const { bytes, bits } = bitsOf(outside.filter((one) => columnOf(one) === column));
        return `${column} ${bits.toFixed(1)} bits, ${size(bytes)}`;
      }).join("; ")
    }. All: ${size(model.bytes)}.`,
  );
  const table = made(
    "table",
    { className: "own-fields" },
    made("thead", {}, head),
    made("tbody", {}, ...rows),
  );
  return made(
    "div",
    {},
    made("h2", {}, "Bits per weight"),
    boxed("Bits per weight of each layer", table),
    ends,
  );
}

/** Rows of texts; by default the tensors of a file, folded. */
export function tableOf(rows, head) {
  const titles = head ?? ["Tensor", "Type", "Shape", "Bytes"];
  const cell = (value) => made("td", {}, typeof value === "number" ? value.toLocaleString("en") : value);
  const table = made(
    "table",
    {},
    made("thead", {}, made("tr", {}, ...titles.map((text) => made("th", { scope: "col" }, text)))),
    made("tbody", {}, ...rows.map((row) => made("tr", {}, ...row.map(cell)))),
  );
  if (head !== undefined) return boxed("Comparison", table);
  return made("details", {}, made("summary", {}, `Tensors: ${rows.length}`), boxed("Tensors", table));
}
