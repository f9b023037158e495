const __show = (..._: unknown[]) => {}; const __t0 = performance.now();
/* cell */ import { assert, assertLess } from "@std/assert";
import {
  awq, type Cell, corpus, dgq, fp8, fptq, gptq, hqq, kivi, kvquant, loadModel, mx, nf4, nvfp4, odyssey, qqq, quantize, quarot, quik, rtn, type Scheme,
  smoothQuant, sparseGpt, spinquant, sweep,
} from "quantbook";
import { adjustPValues, compare, pairedTest } from "quantbook/eval";
import { sizes } from "quantbook/quant";
import { plot, progress, provenance, show, sizeMap, table, verdict } from "quantbook/display";

const windows = await corpus("sotu", { split: "test", windows: 8, length: 256 });
const calibration = await corpus("calibration", { windows: 4, length: 256, seed: 0 });
const model = "fixture:llama-outlier";
const token = (bits: number) => rtn({ bits, granularity: "token" });
type Parts = Record<string, Scheme>;
const weights: Parts = {
  "RTN W4": { weights: rtn({ bits: 4, groupSize: 128 }) },
  "GPTQ W3": { weights: gptq({ bits: 3, groupSize: 128, actOrder: true }) },
  "AWQ W4": { weights: awq({ bits: 4, groupSize: 128, ratios: 10, searchWindows: 1 }) },
  "HQQ W4": { weights: hqq({ bits: 4, groupSize: 64, iterations: 5 }) },
  "NF4": { weights: nf4({ doubleQuant: true }) },
  "MXFP4": { weights: mx({ element: "e2m1" }) },
  "NVFP4": { weights: nvfp4() },
  "FP8": { weights: fp8({ granularity: "block" }) },
};
const inputs: Parts = {
  "A6": { activations: token(6) },
  "smooth A6": { transforms: [smoothQuant({ alpha: 0.55 })], activations: token(6) },
  "rotated A6": { transforms: [quarot()], activations: token(6) },
  "NVFP4 inputs": { activations: nvfp4() },
};
const caches: Parts = { "KIVI 2": { kv: kivi({ bits: 2 }) }, "KVQuant 3": { kv: kvquant({ bits: 3 }) }, "NVFP4 cache": { key: nvfp4(), value: nvfp4() } };
const none: Parts = { "": {} };

const cells: Cell[] = [];
const labelOf = (...parts: string[]) => parts.filter(Boolean).join(" + ") || "float";
const add = (label: string, scheme: Scheme) => cells.push({ model, label, scheme });
// All singles and pairs; triples of weights that are quick to make.
const quick = ["RTN W4", "MXFP4", "NVFP4"];
for (const [w, weight] of Object.entries({ ...none, ...weights })) {
  for (const [a, input] of Object.entries({ ...none, ...inputs })) {
    for (const [c, cache] of Object.entries({ ...none, ...caches })) {
      if (w && a && c && !(quick.includes(w) && c === "KIVI 2" && a !== "A6")) continue;
      add(labelOf(w, a, c), { ...weight, ...input, ...cache });
    }
  }
}
// Weights and activations in 4 bits, as they are, rotated, and rotated as learnt, alone and before a cache.
const four = token(4), learnt = spinquant({ steps: 4, batch: 1 });
const turns: Record<string, Scheme["transforms"]> = { "as it is": [], "QuaRot": [quarot()], "SpinQuant": [learnt] };
const coarse: Parts = {
  "RTN W4A4": { weights: rtn({ bits: 4 }), activations: four },
  "GPTQ W4A4": { weights: gptq({ bits: 4, trueSequential: true }), activations: four },
  "NVFP4 W4A4": { weights: nvfp4(), activations: nvfp4() },
  "RTN W4A4 + KIVI 2": { weights: rtn({ bits: 4 }), activations: four, kv: kivi({ bits: 2 }) },
  "RTN W4A4 + KVQuant 3": { weights: rtn({ bits: 4 }), activations: four, kv: kvquant({ bits: 3 }) },
};
const learned = ["RTN W4A4", "RTN W4A4 + KIVI 2"];
for (const [turn, transforms] of Object.entries(turns)) {
  for (const [name, scheme] of Object.entries(coarse)) {
    if (turn !== "SpinQuant" || learned.includes(name)) add(`${name}, ${turn}`, { ...scheme, transforms });
  }
}
const own = dgq({ ranges: "token" });
const systems: Parts = {
  "QQQ": { weights: qqq({ thresholds: 3, searchWindows: 1, groupSize: 128 }), activations: token(8) },
  "DGQ": { transforms: [own], weights: own, activations: own },
  "FPTQ": { transforms: [fptq()], weights: rtn({ bits: 4, groupSize: 128, symmetric: true }), activations: fptq() },
  "OdysseyLLM": { weights: odyssey({ steps: 8, learningRate: 0.04 }), activations: token(8) },
  "QUIK W4A4": { weights: quik({ kept: 16 }), activations: quik({ kept: 16 }) },
};
const sparse: Parts = {
  "2:4": { sparsity: sparseGpt({ pattern: "2:4" }) },
  "2:4 and W4 in one pass": { sparsity: sparseGpt({ pattern: "2:4", bits: 4 }) },
  "2:4, then W4": { sparsity: sparseGpt({ pattern: "2:4" }), weights: rtn({ bits: 4 }) },
  "2:4, then NVFP4": { sparsity: sparseGpt({ pattern: "2:4" }), weights: nvfp4() },
};
for (const [name, scheme] of Object.entries({ ...systems, ...sparse })) {
  add(name, scheme);
  add(`${name} + KIVI 2`, { ...scheme, kv: kivi({ bits: 2 }) });
}
// What a rotation of keys does to a cache that rounds channels of keys.
const unturned: Scheme = { transforms: [quarot({ keys: false })], activations: token(6) };
add("rotated A6, keys as they are", unturned);
add("rotated A6, keys as they are + KIVI 2", { ...unturned, kv: kivi({ bits: 2 }) });
add("W4 by row", { weights: rtn({ bits: 4 }) });
add("2:4 and W4 in one pass + rotated A6", { ...sparse["2:4 and W4 in one pass"], ...inputs["rotated A6"] });
const line = progress("combinations", cells.length);
const rows = await sweep(cells, { windows, calibration, onRow: (row) => { console.log(row.model, row.label, row.perplexity.value, row.divergence?.value, ((performance.now()-__t0)/1000).toFixed(1)); } });
await line.done();
const find = (...parts: string[]) => {
  const label = labelOf(...parts), row = rows.find((one) => one.label === label);
  if (row === undefined) throw new Error(`no row ${label}`);
  return row;
};
const lossesOf = (label: string) => find(label).perplexity.windowNll;
/** Mean difference of two losses over windows, with its test. */
const differ = (a: string, b: string) => pairedTest(lossesOf(a), lossesOf(b));
const nats = ({ value, t }: { readonly value: number; readonly t: number }) => `${(100 * value).toFixed(2)} nats per 100 tokens (t = ${t.toFixed(1)})`;
// Seven degrees of freedom, 5 %.
const beyond = 2.36;
assert(rows.length >= 100);
console.log("CELL 0", ((performance.now()-__t0)/1000).toFixed(1));
/* cell */ const names = Object.keys(inputs);
const points = rows.filter((row) => row.label !== "float").map((row) => ({
  label: row.label,
  bits: row.bitsPerWeight,
  kl: row.divergence?.value ?? NaN,
  activations: names.find((name) => row.label.split(" + ").includes(name)) ?? (row.scheme.activations === undefined ? "in full" : "with the weights"),
}));
const front = points.filter((one) => !points.some((other) => other.bits <= one.bits && other.kl < one.kl)).sort((a, b) => a.bits - b.bits);
__show(plot({
  data: { values: points },
  layer: [
    {
      data: { values: front },
      mark: { type: "line", opacity: 0.5 },
      encoding: { x: { field: "bits", type: "quantitative" }, y: { field: "kl", type: "quantitative" } },
    },
    {
      mark: { type: "point", filled: true, size: 45, opacity: 0.85 },
      encoding: {
        x: { field: "bits", type: "quantitative", title: "measured bits per weight" },
        y: { field: "kl", type: "quantitative", title: "KL divergence from float (nats)", scale: { type: "log" } },
        color: { field: "activations", type: "nominal", title: "activations" },
        tooltip: [{ field: "label" }, { field: "bits", format: ".2f" }, { field: "kl", format: ".4f" }],
      },
    },
  ],
}, {
  alt: `${points.length} combinations; the front runs from ${front[0].label} at ${front[0].bits.toFixed(2)} bits to ${front[front.length - 1].label}.`,
  caption: `${points.length} combinations on the outlier model; dense weights count as 16 bits.`,
}));
__show(table(front, {
  columns: [{ key: "label", label: "combination" }, { key: "bits", label: "bits per weight of linear layers", digits: 2 }, { key: "kl", label: "KL to float", unit: "nats", digits: 4 }],
  caption: "The front: nothing here has fewer bits and less divergence.",
}));
console.log("CELL 1", ((performance.now()-__t0)/1000).toFixed(1));
/* cell */ const interactions: { x: string; y: string; value: number; standardError: number; t: number; pValue: number }[] = [];
const pairUp = (x: string, y: string, pair = labelOf(x, y)) => {
  const [both, one, other, float] = [pair, x, y, "float"].map(lossesOf);
  const values = both.map((nll, k) => nll - one[k] - other[k] + float[k]);
  interactions.push({ x, y, ...pairedTest(values, values.map(() => 0)) });
};
const groups = [weights, inputs, caches].map(Object.keys);
for (const [i, first] of groups.entries()) {
  for (const second of groups.slice(i + 1)) for (const x of first) for (const y of second) pairUp(x, y);
}
for (const name of Object.keys({ ...systems, ...sparse })) pairUp(name, "KIVI 2");
pairUp("2:4", "W4 by row", "2:4, then W4");
pairUp("2:4", "NVFP4", "2:4, then NVFP4");
pairUp("2:4 and W4 in one pass", "rotated A6");
pairUp("rotated A6, keys as they are", "KIVI 2");
const adjusted = adjustPValues(interactions.map(({ pValue }) => pValue));
const marked = interactions.map((one, i) => ({
  ...one,
  pair: `${one.x} + ${one.y}`,
  interaction: { value: one.value, standardError: one.standardError },
  adjusted: adjusted[i],
  verdict: adjusted[i] > 0.05 ? "adds up" : one.value > 0 ? "hurts" : "helps",
})).sort((a, b) => a.pValue - b.pValue);
const bySize = [...marked].sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, 10);
const shown = marked.filter((one) => one.verdict !== "adds up" || bySize.includes(one));
const order = (names: readonly string[]) => names.filter((name, i) => names.indexOf(name) === i);
const grid = marked.filter(({ y }) => Object.hasOwn(inputs, y) || Object.hasOwn(caches, y)).map(({ x, y, value, verdict }) => ({ x, y, value: 100 * value, sign: verdict === "adds up" ? "" : verdict === "hurts" ? "+" : "−" }));
const limit = Math.max(...grid.map(({ value }) => Math.abs(value)));
__show(plot({
  data: { values: grid },
  layer: [
    {
      mark: { type: "rect" },
      encoding: {
        x: { field: "y", type: "nominal", title: null, sort: order([...groups[1], ...groups[2]]), axis: { labelAngle: -35 } },
        y: { field: "x", type: "nominal", title: null, sort: order([...groups[0], ...Object.keys(systems), ...Object.keys(sparse), ...groups[1]]), axis: { labelLimit: 240 } },
        color: { field: "value", type: "quantitative", title: "nats per 100 tokens", scale: { scheme: "blueorange", domain: [-limit, limit] }, legend: { titleLimit: 240 } },
        tooltip: [{ field: "x" }, { field: "y" }, { field: "value", format: ".3f" }],
      },
    },
    {
      mark: { type: "text", fontSize: 14, color: "black" },
      encoding: {
        x: { field: "y", type: "nominal", sort: order([...groups[1], ...groups[2]]) },
        y: { field: "x", type: "nominal", sort: order([...groups[0], ...Object.keys(systems), ...Object.keys(sparse), ...groups[1]]) },
        text: { field: "sign", type: "nominal" },
      },
    },
  ],
}, {
  alt: `Interactions of ${grid.length} pairs; the largest is ${marked.find((one) => Math.abs(100 * one.value) === limit)?.pair ?? ""} with ${limit.toFixed(2)} nats per 100 tokens.`,
  caption: "Loss of a pair beyond the sum of its parts. + hurts, − helps, beyond chance; unmarked pairs add up.",
}));
__show(table(shown, {
  columns: ["pair", { key: "interaction", unit: "nats", digits: 4 }, { key: "t", digits: 1 }, { key: "adjusted", label: "p, adjusted", digits: 4 }, "verdict"],
  caption: `${shown.length} of ${marked.length} pairs: those that do not add up, and the ten with the largest interactions.`,
}));
console.log("CELL 2", ((performance.now()-__t0)/1000).toFixed(1));
/* cell */ const turned = Object.keys(coarse).map((name) => ({
  name,
  plain: find(`${name}, as it is`).perplexity,
  quarot: find(`${name}, QuaRot`).perplexity,
  spinquant: learned.includes(name) ? find(`${name}, SpinQuant`).perplexity : undefined,
  ...differ(`${name}, QuaRot`, `${name}, as it is`),
}));
__show(table(turned, {
  columns: [
    { key: "name", label: "scheme" }, { key: "plain", label: "as it is", digits: 2 }, { key: "quarot", label: "QuaRot", digits: 2 },
    { key: "spinquant", label: "SpinQuant, 4 steps", digits: 2 }, { key: "t", label: "QuaRot, t", digits: 1 },
  ],
  caption: `Perplexity; float ${find().perplexity.value.toFixed(2)}. SpinQuant learns four steps only: it shows that it composes, not what it gains.`,
}));
assert(turned.filter(({ name }) => name.startsWith("RTN")).every(({ t }) => t < -beyond), "a rotation must help integers of 4 bits on outliers");
console.log("CELL 3", ((performance.now()-__t0)/1000).toFixed(1));
/* cell */ const parts = Object.keys({ ...systems, ...sparse }).map((name) => {
  const alone = find(name), cached = find(name, "KIVI 2");
  const { value, standardError, t } = interactions.find(({ x, y }) => x === name && y === "KIVI 2") ?? { value: NaN, standardError: NaN, t: NaN };
  return { name, bits: alone.bitsPerWeight, alone: alone.perplexity, cached: cached.perplexity, interaction: { value: 100 * value, standardError: 100 * standardError }, t };
});
__show(table(parts, {
  columns: [
    { key: "name", label: "scheme" }, { key: "bits", label: "bits per weight of linear layers", digits: 2 }, { key: "alone", label: "perplexity", digits: 2 },
    { key: "cached", label: "with KIVI 2", digits: 2 }, { key: "interaction", unit: "nats per 100 tokens", digits: 2 }, { key: "t", digits: 1 },
  ],
  caption: `Float ${find().perplexity.value.toFixed(2)}, KIVI 2 alone ${find("KIVI 2").perplexity.value.toFixed(2)}. The systems have 8-bit activations, QUIK 4-bit ones.`,
}));
console.log("CELL 4", ((performance.now()-__t0)/1000).toFixed(1));
/* cell */ const plain = "fixture:llama", all = ["q", "k", "v", "o", "gate", "up", "down"] as const;
const bits = (bits: number) => rtn({ bits, groupSize: 64 });
type Override = NonNullable<Scheme["overrides"]>[number];
type Role = typeof all[number];
const roles = (width: number, ...linears: Role[]): Override => ({ linears, weights: bits(width) });
const layers = (width: number, ...which: number[]): Override => ({ layers: which, weights: bits(width) });
const mixtures: Record<string, Override[]> = {
  "4 bits throughout": [],
  "down 6, gate and up 3": [roles(6, "down"), roles(3, "gate", "up")],
  "down 2, gate and up 5": [roles(2, "down"), roles(5, "gate", "up")],
  "down 5, gate 3": [roles(5, "down"), roles(3, "gate")],
  "v 5, k 3": [roles(5, "v"), roles(3, "k")],
  "v 3, k 5": [roles(3, "v"), roles(5, "k")],
  "attention 6, feed-forward 3": [roles(6, "q", "k", "v", "o"), roles(3, "gate", "up", "down")],
  "ends 5, middle 3": [layers(5, 0, 3), layers(3, 1, 2)],
  "ends 3, middle 5": [layers(3, 0, 3), layers(5, 1, 2)],
  "first 5, last 3": [layers(5, 0), layers(3, 3)],
  "first 3, last 5": [layers(3, 0), layers(5, 3)],
};
const uniform = "4 bits throughout";
const schemeOf = (overrides: Override[]): Scheme => ({ weights: bits(4), ...overrides.length > 0 && { overrides } });
const found = await compare(plain, Object.entries(mixtures).map(([label, overrides]) => ({ model: plain, label, scheme: schemeOf(overrides) })), { windows });
const counted = new Map<string, ReturnType<typeof sizes>>();
using dense = await loadModel(plain);
for (const [label, overrides] of Object.entries(mixtures)) {
  using quantized = await quantize(dense, schemeOf(overrides));
  counted.set(label, sizes(quantized));
}
const sizeOf = (label: string) => {
  const size = counted.get(label);
  if (size === undefined) throw new Error(`no mixture ${label}`);
  return size;
};
const target = sizeOf(uniform).linear.bytes;
for (const label of counted.keys()) assertLess(Math.abs(sizeOf(label).linear.bytes / target - 1), 0.005, label);
const against = Object.keys(mixtures).filter((label) => label !== uniform).map((label) => {
  const test = found.differences.find((one) => one.measure === "divergence" && [one.a, one.b].includes(label) && [one.a, one.b].includes(uniform));
  if (test === undefined) throw new Error(`no test of ${label}`);
  const sign = test.a === label ? 1 : -1;
  return { label, difference: { value: 1000 * sign * test.value, standardError: 1000 * test.standardError }, adjusted: test.adjustedPValue, detectable: 1000 * test.detectable };
});
const klOf = (label: string) => found.candidates.find((one) => one.label === label)?.divergence.mean ?? { value: NaN, standardError: NaN };
const milli = ({ value, standardError }: { readonly value: number; readonly standardError: number }) => ({ value: 1000 * value, standardError: 1000 * standardError });
const floor = Object.entries(found.noise).map(([kind, one]) => ({ kind, kl: one.divergence.mean.value }));
assert(floor.every(({ kl }) => kl < klOf(uniform).value / 10), "mixtures must stand above the noise floor");
__show(table(
  [{
    label: uniform, kl: milli(klOf(uniform)), bytes: target / 1024, whole: sizeOf(uniform).model.bitsPerWeight,
    difference: undefined, adjusted: undefined, detectable: undefined, verdict: "",
  }, ...against.map((one) => ({
    ...one, kl: milli(klOf(one.label)), bytes: sizeOf(one.label).linear.bytes / 1024, whole: sizeOf(one.label).model.bitsPerWeight,
    verdict: one.adjusted > 0.05 ? "undecided" : one.difference.value < 0 ? "closer" : "farther",
  })).sort((a, b) => a.kl.value - b.kl.value)],
  {
    columns: [
      { key: "label", label: "bits" }, { key: "bytes", label: "linear layers", unit: "KiB", digits: 1 }, { key: "whole", label: "whole model", unit: "bits per weight", digits: 3 },
      { key: "kl", label: "KL to float", unit: "millinats", digits: 2 }, { key: "difference", label: "less uniform", unit: "millinats", digits: 2 },
      { key: "adjusted", label: "p, adjusted", digits: 4 }, { key: "detectable", label: "would find", unit: "millinats", digits: 2 }, { key: "verdict", label: "than uniform" },
    ],
    caption: `Plain model, equal bytes. Noise floor: ${floor.map(({ kind, kl }) => `${kind} ${(1000 * kl).toFixed(5)} millinats`).join(", ")}. "Would find": the smallest difference that these windows show with a power of 80 %.`,
  },
));
const bfloat16 = 1000 * (found.noise.bfloat16?.divergence.mean.value ?? NaN);
const sideways = (label: string) => `${label} ${(1000 * klOf(label).value).toFixed(1)}`;
const bytesText = (bytes: number) => `${(bytes / 1024).toFixed(0)} KiB`;
const best = [...against].sort((a, b) => a.difference.value - b.difference.value)[0];
__show(
  plot({
    data: { values: found.candidates.map(({ label, divergence: { mean } }) => ({ label, kl: 1000 * mean.value, low: 1000 * mean.interval[0], high: 1000 * mean.interval[1] })) },
    encoding: { y: { field: "label", type: "nominal", title: null, sort: { field: "kl" }, axis: { labelLimit: 240 } } },
    layer: [
      { mark: { type: "rule", strokeDash: [4, 4] }, encoding: { y: null, x: { datum: bfloat16, type: "quantitative" } } },
      { mark: { type: "rule" }, encoding: { x: { field: "low", type: "quantitative", title: "KL divergence from float (millinats)", scale: { type: "log" } }, x2: { field: "high" } } },
      { mark: { type: "point", filled: true, size: 60 }, encoding: { x: { field: "kl", type: "quantitative" }, tooltip: [{ field: "label" }, { field: "kl", format: ".2f" }] } },
    ],
  }, {
    alt: `Divergence of ${found.candidates.length} mixtures of equal bytes in millinats: ${found.candidates.map(({ label }) => sideways(label)).join("; ")}; the float model in bfloat16 ${bfloat16.toFixed(3)}.`,
    caption: `Mixtures of ${bytesText(target)} in linear layers, with 95 % intervals. Dashed: the float model in bfloat16.`,
  }),
  sizeMap(sizeOf(best.label), `The closest mixture: ${best.label}`),
);
console.log("CELL 5", ((performance.now()-__t0)/1000).toFixed(1));
/* cell */ const count = (verdict: string) => marked.filter((one) => one.verdict === verdict).length;
const largest = marked.reduce((a, b) => Math.abs(b.value) > Math.abs(a.value) ? b : a);
/** The combinations with and without a change of A6, and how many are better with it beyond chance. */
const changed = (to: string) => {
  const with_ = rows.map(({ label }) => label).filter((label) => label.split(" + ").includes(to) && rows.some((row) => row.label === label.replace(to, "A6")));
  const tests = with_.map((label) => differ(label, label.replace(to, "A6")));
  return { all: tests.length, better: tests.filter(({ t }) => t < -beyond).length, worse: tests.filter(({ t }) => t > beyond).length };
};
const smoothed = changed("smooth A6"), rotated = changed("rotated A6");
const cached = parts.map(({ t }) => t), joint = differ("2:4 and W4 in one pass", "2:4, then W4");
const closer = against.filter(({ adjusted, difference }) => adjusted <= 0.05 && difference.value < 0);
const farther = against.filter(({ adjusted, difference }) => adjusted <= 0.05 && difference.value > 0);
const named = (list: typeof against) => list.length === 0 ? "none" : list.map(({ label, difference }) => `${label} (${difference.value.toFixed(1)} millinats)`).join("; ");
const interactionOf = (a: string, b: string) => interactions.find(({ x, y }) => x === a && y === b) ?? { value: NaN, t: NaN };
const [turnedKeys, plainKeys] = ["rotated A6", "rotated A6, keys as they are"].map((name) => interactionOf(name, "KIVI 2"));
const verdictOf = (label: string) => closer.some((one) => one.label === label) ? "closer" : farther.some((one) => one.label === label) ? "farther" : "undecided";
__show(
  verdict({
    status: "trend",
    title: "Errors of different parts mostly add up",
    detail: `${count("adds up")} of ${marked.length} pairs add up, ${count("hurts")} reinforce each other, ${count("helps")} cancel in part; ` +
      `the largest interaction is ${largest.pair} with ${largest.value.toFixed(3)} nats.`,
  }),
  verdict({
    status: smoothed.better === smoothed.all ? "trend" : "differs",
    title: "Smoothing helps whatever it is combined with",
    detail: `A6 with smoothing beats A6 without in ${smoothed.better} of ${smoothed.all} combinations beyond chance, and is worse in ${smoothed.worse}.`,
  }),
  verdict({
    status: rotated.better === rotated.all ? "trend" : "differs",
    title: "So does a rotation",
    detail: `Rotated A6 beats A6 in ${rotated.better} of ${rotated.all} combinations beyond chance, and is worse in ${rotated.worse}.`,
  }),
  verdict({
    status: turned.every(({ t }) => t < -beyond) ? "trend" : "differs",
    title: "A rotation helps everything of four bits",
    detail: turned.map(({ name, value, t }) => `${name}: ${nats({ value, t })}`).join("; ") + ". Blocks of 16 with a scale of their own need it least.",
  }),
  verdict({
    status: cached.every((t) => Math.abs(t) < beyond) ? "trend" : "differs",
    title: "What a cache of 2 bits costs does not depend on the system in front of it",
    detail: `${cached.filter((t) => Math.abs(t) < beyond).length} of ${cached.length} systems and sparse weights have no interaction with KIVI beyond chance (each by itself).`,
  }),
  verdict({
    status: turnedKeys.t > beyond && Math.abs(plainKeys.value) < turnedKeys.value / 2 ? "trend" : "differs",
    title: "Rotated keys take from KIVI the channels that it rounds by",
    detail: `Interaction of rotated A6 with KIVI 2: ${nats(turnedKeys)}; where queries and keys stay as they are: ${nats(plainKeys)}.`,
  }),
  verdict({
    status: joint.t < -beyond ? "trend" : "differs",
    title: "Zeros and codes in one pass beat zeros, then codes",
    detail: `SparseGPT at 2:4 with 4 bits by row, against the same zeros rounded afterwards: ${nats(joint)}.`,
  }),
  verdict({
    status: ["down 5, gate 3", "down 6, gate and up 3"].some((label) => verdictOf(label) === "closer") ? "trend" : "differs",
    title: "The down projection deserves more bits",
    detail: `Divergence in millinats: ${[uniform, "down 5, gate 3", "down 6, gate and up 3", "down 2, gate and up 5"].map(sideways).join("; ")}. ` +
      `More bits there are ${verdictOf("down 5, gate 3")} than uniform, fewer ${verdictOf("down 2, gate and up 5")}.`,
  }),
  verdict({
    status: verdictOf("ends 5, middle 3") === "closer" ? "trend" : "differs",
    title: "The first and the last layer deserve more bits",
    detail: `Divergence in millinats: ${[uniform, "ends 5, middle 3", "ends 3, middle 5", "first 5, last 3", "first 3, last 5"].map(sideways).join("; ")}.`,
  }),
  verdict({
    status: closer.length === 0 ? "trend" : "differs",
    title: "Nothing beats the same bits everywhere",
    detail: `Closer than uniform beyond chance: ${named(closer)}. Farther: ${named(farther)}. One text and one model of four layers: the search over all mixtures is \`advise\`.`,
  }),
  provenance({ windows: windows.description, calibration: calibration.description, device: rows[0].device, notices: found.notices.join("; ") || "none" }),
);
console.log("CELL 6", ((performance.now()-__t0)/1000).toFixed(1));