/** Where a model's bits went: a map of its layers by what they compute, under the bytes that each sort of tensor takes. */
import type { PartSize, Size, Sizes } from "../../../quant/mod.ts";
import type { Display } from "./emit.ts";
import { plot } from "./plot.ts";

/** What is not of one layer stands on a line of its own. */
const outside = "outside";

/** Columns of the map, from left to right; those that a model lacks are left out. */
const columns = [
  ...[
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
  ],
  ...["embedding", "positions", "projection", "head"],
];

/** Layers up to which each field says its number. */
const labelled = 24;

function columnOf({ kind, role }: PartSize): string {
  return kind === "linear" && role !== null ? role : kind;
}

function together(parts: readonly Size[]): Size {
  const weights = parts.reduce((sum, one) => sum + one.weights, 0);
  const bytes = parts.reduce((sum, one) => sum + one.bytes, 0);
  return { weights, bytes, bitsPerWeight: 8 * bytes / weights };
}

/** `1.25 MiB`, `310 KiB`. */
function bytesText(bytes: number): string {
  return bytes < 2 ** 20 ? `${(bytes / 1024).toFixed(0)} KiB` : `${(bytes / 2 ** 20).toFixed(2)} MiB`;
}

/**
 * A map of a model: a row a layer and one for what stands outside, a column for each linear layer and sort of tensor, coloured by bits per
 * weight; above it the bytes of each column. Experts of a layer are counted together.
 * @example
 * ```ts
 * import { loadModel, quantize, rtn } from "quantbook";
 * import { show, sizeMap } from "quantbook/display";
 * import { sizes } from "quantbook/quant";
 * using model = await loadModel("fixture:llama");
 * using quantized = await quantize(model, { weights: rtn({ bits: 4, groupSize: 32 }) });
 * await show(sizeMap(sizes(quantized), "Llama, 4 bits"));
 * ```
 */
export function sizeMap(sizes: Sizes, title: string): Display {
  const cells = new Map<string, PartSize[]>();
  for (const part of sizes.parts) {
    const key = `${part.layer ?? outside} ${columnOf(part)}`;
    cells.set(key, [...cells.get(key) ?? [], part]);
  }
  const map = [...cells].map(([key, parts]) => {
    const [row, column] = key.split(" "), { weights, bytes, bitsPerWeight } = together(parts);
    const formats = [...new Set(parts.map(({ format }) => format))].sort().join(", ");
    return { row, column, weights, bytes, bits: bitsPerWeight, label: bitsPerWeight.toFixed(1), formats };
  });
  const present = columns.filter((column) => map.some((cell) => cell.column === column));
  const rows = [...new Set(map.map(({ row }) => row))].sort((a, b) => order(a) - order(b));
  const bars = present.map((column) => {
    const { weights, bytes } = together(map.filter((cell) => cell.column === column).map(asSize));
    return { column, kibibytes: bytes / 1024, share: bytes / sizes.model.bytes, bits: 8 * bytes / weights };
  });
  const x = { field: "column", type: "nominal", sort: present, scale: { paddingInner: 0.05 } };
  const colour = {
    field: "bits",
    type: "quantitative",
    title: "bits per weight",
    // Float32 is no darker than float16: the differences that matter are below.
    scale: { scheme: "viridis", reverse: true, domain: [0, 16], clamp: true },
  };
  const width = 62 * present.length;
  const field = {
    x: { ...x, title: null, axis: { labelAngle: 0 } },
    y: { field: "row", type: "nominal", sort: rows, title: "layer", scale: { paddingInner: 0.05 } },
  };
  const spec = {
    title,
    resolve: { scale: { x: "shared" } },
    vconcat: [
      {
        width,
        height: 110,
        data: { values: bars },
        mark: { type: "bar" },
        encoding: {
          x: { ...x, title: null, axis: null },
          y: { field: "kibibytes", type: "quantitative", title: "KiB" },
          color: colour,
        },
      },
      {
        width,
        data: { values: map },
        encoding: field,
        layer: [
          { mark: { type: "rect" }, encoding: { color: colour } },
          ...(rows.length > labelled ? [] : [{
            mark: { type: "text", fontSize: 11 },
            encoding: {
              text: { field: "label", type: "nominal" },
              color: { condition: { test: "datum.bits > 7", value: "#ffffff" }, value: "#1d1d1f" },
            },
          }]),
        ],
      },
    ],
  };
  return plot(spec, { alt: altOf(sizes, title, bars), caption: captionOf(sizes) });
}

function asSize({ weights, bytes, bits }: { weights: number; bytes: number; bits: number }): Size {
  return { weights, bytes, bitsPerWeight: bits };
}

function order(row: string): number {
  return row === outside ? Infinity : Number(row);
}

function altOf(
  { linear, model }: Sizes,
  title: string,
  bars: readonly { column: string; share: number; bits: number }[],
): string {
  const most = bars.toSorted((a, b) => b.share - a.share).slice(0, 3);
  const parts = most.map(({ column, share, bits }) =>
    `${column} ${(100 * share).toFixed(0)} % (${bits.toFixed(2)} bits per weight)`
  );
  return `${title}: ${bytesText(model.bytes)}, of which linear layers ${
    (100 * linear.bytes / model.bytes).toFixed(0)
  } %; the largest parts are ${parts.join(", ")}.`;
}

/** The three numbers that are called bits per weight, each by its name. */
function captionOf({ linear, model, file }: Sizes): string {
  const own = file === null ? "" : `; of the files, metadata included, ${file.bitsPerWeight.toFixed(2)}`;
  return `Bits per weight of the linear layers ${linear.bitsPerWeight.toFixed(2)}, of the whole model ${
    model.bitsPerWeight.toFixed(2)
  }${own}.`;
}
