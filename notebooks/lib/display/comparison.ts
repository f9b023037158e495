/** A comparison as tables and plots: candidates with their intervals, tests between them, divergence against bytes and by confidence. */
import type { CandidateSummary, Comparison, Estimated } from "../../../eval/mod.ts";
import type { Display } from "./emit.ts";
import { formatNumber } from "./number.ts";
import { plot } from "./plot.ts";
import { table } from "./table.ts";

const names: Readonly<Record<string, string>> = {
  bfloat16: "reference in bfloat16",
  sums: "reference in another order of sums",
};

/** Three significant digits, as divergences span many sizes. */
function short(value: number): string {
  if (!Number.isFinite(value) || value === 0) return formatNumber(value, 0);
  const size = Math.floor(Math.log10(Math.abs(value)));
  return size < -3 ? value.toExponential(2).replaceAll("-", "−") : formatNumber(value, Math.max(0, 2 - size));
}

function withInterval({ value, interval: [low, high] }: Estimated, digits?: number): string {
  const text = (one: number) => digits === undefined ? short(one) : formatNumber(one, digits);
  return `${text(value)} [${text(low)}, ${text(high)}]`;
}

/** Candidates and noises, one after the other. */
function rowsOf(
  comparison: Comparison,
): (CandidateSummary & { readonly label: string; readonly bitsPerWeight?: number })[] {
  const noises = Object.entries(comparison.noise).map(([kind, one]) => ({
    ...one,
    label: names[kind] ?? kind,
  }));
  return [...comparison.candidates, ...noises];
}

/** One row a candidate and a noise: divergence, agreement and perplexity with intervals. */
export function comparisonTable(comparison: Comparison): Display {
  const { text, reference, level } = comparison;
  return table(
    rowsOf(comparison).map(({ label, bitsPerWeight, divergence, top1, top5, perplexityRatio }) => ({
      label,
      bits: bitsPerWeight === undefined ? null : formatNumber(bitsPerWeight, 2),
      mean: withInterval(divergence.mean),
      median: withInterval(divergence.median),
      p99: withInterval(divergence.p99),
      p999: withInterval(divergence.p999),
      largest: short(divergence.largest.value),
      top1: withInterval(top1, 3),
      top5: withInterval(top5, 3),
      ratio: withInterval(perplexityRatio, 4),
    })),
    {
      columns: [
        { key: "label", label: "model" },
        { key: "bits", label: "bits per weight", align: "right" },
        { key: "mean", label: "mean divergence", unit: "nats" },
        "median",
        { key: "p99", label: "99 %" },
        { key: "p999", label: "99.9 %" },
        "largest",
        { key: "top1", label: "same first token" },
        { key: "top5", label: "same five tokens" },
        { key: "ratio", label: "perplexity ratio" },
      ],
      caption: `Against ${reference.label} on ${text.windows} windows, ${text.tokens} tokens; ${
        formatNumber(100 * level, 0)
      } % intervals, ${text.clusters.count} ${text.clusters.kind} counted as independent.`,
    },
  );
}

/** One row a test: the difference, whether it stands after the correction, and what the text could have shown. */
export function differenceTable({ differences, power }: Comparison): Display {
  return table(
    differences.map(({ a, b, measure, value, interval, pValue, adjustedPValue, detectable }) => ({
      models: `${a} − ${b}`,
      measure: measure === "divergence" ? "divergence" : "log-perplexity",
      difference: withInterval({ value, interval }),
      p: short(pValue),
      adjusted: short(adjustedPValue),
      detectable: short(detectable),
    })),
    {
      columns: [
        "models",
        "measure",
        { key: "difference", unit: "nats a token" },
        "p",
        { key: "adjusted", label: "p, false discovery rate" },
        { key: "detectable", label: `smallest difference shown with power ${formatNumber(power, 2)}` },
      ],
      caption: "Paired tests, all of them corrected together (Benjamini and Hochberg).",
    },
  );
}

/** Mean divergence against bytes, with intervals; the noises of the reference are lines. */
export function comparisonPlot(comparison: Comparison, caption?: string): Display {
  const values = comparison.candidates.map(({ label, bytes, divergence: { mean } }) => ({
    label,
    bytes,
    mean: mean.value,
    low: mean.interval[0],
    high: Number.isFinite(mean.interval[1]) ? mean.interval[1] : mean.value,
  })).filter(({ mean }) => mean > 0);
  const floors = Object.entries(comparison.noise).map(([kind, { divergence }]) => ({
    label: names[kind] ?? kind,
    mean: divergence.mean.value,
  })).filter(({ mean }) => mean > 0);
  // A floor that lies far below everything would leave no room for the rest.
  const least = Math.min(...values.map(({ mean }) => mean)) / 100,
    drawn = floors.filter(({ mean }) => mean > least);
  const y = { type: "quantitative", scale: { type: "log" }, title: "mean divergence (nats)" };
  const x = {
    field: "bytes",
    type: "quantitative",
    title: "bytes of the linear layers",
    scale: { zero: false },
  };
  const said = values.map(({ label, mean, bytes }) =>
    `${label} ${short(mean)} nats at ${formatNumber(bytes, 0)} bytes`
  );
  const under = floors.map(({ label, mean }) => `${label} ${short(mean)}`);
  return plot({
    layer: [
      { data: { values }, mark: "rule", encoding: { x, y: { field: "low", ...y }, y2: { field: "high" } } },
      {
        data: { values },
        mark: { type: "point", filled: true },
        encoding: { x, y: { field: "mean", ...y } },
      },
      {
        data: { values },
        mark: { type: "text", align: "left", dx: 7 },
        encoding: { x, y: { field: "mean", ...y }, text: { field: "label", type: "nominal" } },
      },
      {
        data: { values: drawn },
        mark: { type: "rule", strokeDash: [4, 4] },
        encoding: { y: { field: "mean", ...y } },
      },
      {
        data: { values: drawn },
        mark: { type: "text", align: "left", baseline: "bottom", x: 4 },
        encoding: { y: { field: "mean", ...y }, text: { field: "label", type: "nominal" } },
      },
    ],
  }, {
    alt: `Mean divergence against bytes: ${said.join("; ")}.${
      under.length > 0 ? ` Noise floor: ${under.join("; ")}.` : ""
    }`,
    ...caption === undefined ? {} : { caption },
  });
}

/** Median, 90 % and 99 % of the divergence by how sure the reference is. */
export function bucketPlot(comparison: Comparison, caption?: string): Display {
  const parts = [["median", "median"], ["p90", "90 %"], ["p99", "99 %"]] as const;
  const values = comparison.candidates.flatMap(({ label, buckets }) =>
    buckets.flatMap(({ from, to, divergence }) =>
      divergence === null ? [] : parts.map(([key, part]) => ({
        model: label,
        confidence: `${from}–${to}`,
        part,
        value: divergence[key].value,
        low: divergence[key].interval[0],
        high: Number.isFinite(divergence[key].interval[1])
          ? divergence[key].interval[1]
          : divergence[key].value,
      }))
    )
  ).filter(({ value, low }) => value > 0 && low > 0);
  const x = {
    field: "confidence",
    type: "ordinal",
    sort: null,
    title: "probability of the reference's most likely token",
  };
  const y = { type: "quantitative", scale: { type: "log" }, title: "divergence (nats)" };
  const order = comparison.candidates.map(({ label }) => label);
  const color = { field: "model", type: "nominal", title: null, sort: order };
  const xOffset = { field: "model", sort: order };
  const shape = { field: "part", type: "nominal", title: null, sort: parts.map(([, part]) => part) };
  const most = comparison.candidates.map(({ label, buckets }) => {
    const means = buckets.flatMap(({ from, to, divergence }) =>
      divergence === null ? [] : [{ where: `${from} to ${to}`, mean: divergence.mean.value }]
    );
    const worst = means.reduce((a, b) => b.mean > a.mean ? b : a);
    return `${label} is furthest from the reference where that is ${worst.where} sure (mean ${
      short(worst.mean)
    } nats)`;
  });
  return plot({
    data: { values },
    layer: [
      { mark: "rule", encoding: { x, xOffset, color, y: { field: "low", ...y }, y2: { field: "high" } } },
      {
        mark: { type: "point", filled: true },
        encoding: {
          x,
          xOffset,
          color,
          y: { field: "value", ...y },
          shape,
        },
      },
    ],
  }, { alt: `${most.join("; ")}.`, ...caption === undefined ? {} : { caption } });
}
