/** One input of a decoder layer: its smoothing, its branches and what is left for codes, all measured on what the float layers give. */
import type { DeviceBuffer } from "../../../kernels/device.ts";
import type { Linear, StoredWeight } from "../../../model/decoder/parameter.ts";
import type { Stop } from "../../calibration/sites.ts";
import type { Precision } from "../../grids/precision.ts";
import type { InputStatistics, Matrix } from "../../method.ts";
import { type LowRankFactors, lowRankProduct, LowRankWeight } from "../../weights/low_rank.ts";
import { columnMaxima } from "../smoothquant.ts";
import { type BranchSearch, searchBranch, truncated } from "./branch.ts";
import { type InputRounding, LowRankLinear } from "./linear.ts";
import { type Smoothing, smoothingFactors } from "./smoothing.ts";

/** What {@linkcode quantizeSite} needs of a scheme. */
export interface SiteRule extends Pick<BranchSearch, "rank" | "iterations" | "earlyStop" | "compensate"> {
  readonly precision: Precision;
  /** Exponents to choose from; one alone is taken as it is, none leaves inputs as they are. */
  readonly candidates: readonly Smoothing[];
  /** Whether the statistics of inputs are needed. */
  readonly gram: boolean;
  /** Values of a matrix rounded on the grid, without compensation. */
  plain(matrix: Matrix): Float32Array;
  /** The stored form of what a branch leaves, of the linear layer `index` of the stop. */
  residual(rest: Matrix, index: number, input: InputStatistics | null): Promise<StoredWeight>;
  readonly rounding: InputRounding | null;
}

/** Linear layers with one branch, by their index at the stop, and what the search looks at. */
interface Group {
  readonly members: readonly number[];
  readonly weight: Matrix;
}

/** The weights of all linear layers that read the stop's input, and the factors that were chosen. */
export async function quantizeSite(stop: Stop, rule: SiteRule): Promise<LowRankWeight[]> {
  const { candidates } = rule, measure = new Measure(stop, rule);
  let chosen: Float32Array | null = null;
  if (candidates.length > 0) {
    const inputs = await inputMaxima(stop);
    const weights = columnMaxima(stop.weights.map(({ data }) => data), stop.columns);
    const factors = candidates.map((one) => smoothingFactors(inputs, weights, one));
    chosen = factors[0];
    let least = Infinity;
    for (const one of factors.length > 1 ? factors : []) {
      const error = await smoothedError(stop, rule, measure, one);
      if (error < least) [chosen, least] = [one, error];
    }
  }
  const input = rule.gram ? await statisticsOf(stop, chosen) : null, found: LowRankWeight[] = [];
  for (const group of groupsOf(stop, chosen)) {
    const { branch, rest } = await branchOf(group, rule, chosen, measure);
    let row = 0;
    for (const [at, index] of group.members.entries()) {
      const { rows } = stop.weights[index], part = rowsOf(rest, row, rows);
      found.push(
        new LowRankWeight({
          residual: await rule.residual(part, index, input),
          branch: branchRows(branch, row, rows),
          factors: chosen,
          shared: at > 0 ? "all" : index > 0 ? "factors" : "nothing",
          precision: rule.precision,
        }),
      );
      row += rows;
    }
  }
  return found;
}

const none: LowRankFactors = { rank: 0, a: new Float32Array(), b: new Float32Array() };

function branchOf(
  { members, weight }: Group,
  rule: SiteRule,
  factors: Float32Array | null,
  measure: Measure,
) {
  if (rule.rank === 0) return { branch: none, rest: weight };
  return searchBranch(weight, {
    ...rule,
    round: rule.plain,
    error: (rounded, branch) => measure.error([{ members, rounded, branch }], factors),
  });
}

/** The error with some factors, of branches that are decomposed once. */
async function smoothedError(
  stop: Stop,
  rule: SiteRule,
  measure: Measure,
  factors: Float32Array,
): Promise<number> {
  const tried = groupsOf(stop, factors).map(({ members, weight }) => {
    if (rule.rank === 0) return { members, rounded: rule.plain(weight), branch: none };
    const first = rule.compensate ? minus(weight, rule.plain(weight)) : weight;
    const branch = truncated(first, rule.rank, rule.precision);
    const rest = minus(weight, lowRankProduct(branch, weight.columns));
    return { members, rounded: rule.plain(rest), branch };
  });
  return await measure.error(tried, factors);
}

/** Query, key and value share a branch, so their rows are one matrix; all others stand alone. */
function groupsOf(stop: Stop, factors: Float32Array | null): Group[] {
  const { columns, site } = stop;
  const scaled = stop.weights.map(({ data }) =>
    factors === null ? data : data.map((value, i) => value * factors[i % columns])
  );
  if (site !== "attention") {
    return scaled.map((data, i) => ({
      members: [i],
      weight: { rows: data.length / columns, columns, data },
    }));
  }
  const data = new Float32Array(scaled.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const one of scaled) {
    data.set(one, at);
    at += one.length;
  }
  return [{ members: [...scaled.keys()], weight: { rows: data.length / columns, columns, data } }];
}

/** What stands for some linear layers while an error is measured. */
interface Trial {
  readonly members: readonly number[];
  readonly rounded: Float32Array;
  readonly branch: LowRankFactors;
}

/** Squared errors against what the float layers give: attention's and the gated block's behind them, others' at their own output. */
class Measure {
  readonly #targets = new Map<string, Promise<Float32Array[]>>();
  constructor(private readonly stop: Stop, private readonly rule: SiteRule) {}

  async error(trials: readonly Trial[], factors: Float32Array | null): Promise<number> {
    const { stop } = this, members = trials.flatMap((one) => one.members), linears: Linear[] = [];
    try {
      for (const trial of trials) linears.push(...await this.#linears(trial, factors));
      const key = members.join();
      const targets = this.#targets.get(key) ??
        this.#outputs(members, members.map((i) => stop.linears[i]));
      this.#targets.set(key, targets);
      const expected = await targets, got = await this.#outputs(members, linears);
      let sum = 0;
      for (const [w, output] of got.entries()) {
        for (let i = 0; i < output.length; i++) sum += (output[i] - expected[w][i]) ** 2;
      }
      return sum;
    } finally {
      for (const one of linears) one[Symbol.dispose]();
    }
  }

  async #linears({ members, rounded, branch }: Trial, factors: Float32Array | null): Promise<Linear[]> {
    const { stop, rule: { rounding } } = this, { device, columns } = stop, result: Linear[] = [];
    let row = 0;
    for (const index of members) {
      const { rows } = stop.weights[index];
      const inner = await stop.linear(rounded.subarray(row * columns, (row + rows) * columns), index);
      result.push(
        new LowRankLinear(device, inner, columns, branchRows(branch, row, rows), factors, rounding),
      );
      row += rows;
    }
    return result;
  }

  async #outputs(members: readonly number[], linears: readonly Linear[]): Promise<Float32Array[]> {
    const { device, columns, inputs, weights, linears: { length }, next, nextFeatures, run } = this.stop;
    const behind = members.length === length && length > 1, outputs: Float32Array[] = [];
    for (const x of inputs) {
      const tokens = x.length / columns;
      using own = behind ? await run(linears, x, tokens) : device.allocate(tokens * weights[members[0]].rows);
      if (!behind) await linears[0].run(x, own, tokens);
      using last = behind && next !== null ? device.allocate(tokens * nextFeatures) : null;
      if (last !== null) await next?.run(own, last, tokens);
      outputs.push(await device.read(last ?? own));
    }
    return outputs;
  }
}

async function inputMaxima({ device, columns, inputs }: Stop): Promise<Float32Array> {
  using maxima = device.upload(new Float32Array(columns));
  for (const x of inputs) device.columnAbsMax(x, maxima, x.length / columns);
  return await device.read(maxima);
}

/** Second moments of the inputs, divided by the factors. */
async function statisticsOf(
  { device, columns, inputs }: Stop,
  factors: Float32Array | null,
): Promise<InputStatistics> {
  using gram = device.gram(columns);
  using inverse = device.upload(factors?.map((one) => 1 / one) ?? Float32Array.of(1));
  let tokens = 0;
  for (const x of inputs) {
    using scaled: DeviceBuffer = device.allocate(x.length);
    device.copy(x, 0, scaled, 0, x.length);
    device.multiply(scaled, inverse);
    gram.add(scaled, x.length / columns);
    tokens += x.length / columns;
  }
  return { gram: await gram.read(), windows: inputs.length, tokens };
}

function branchRows({ rank, a, b }: LowRankFactors, row: number, rows: number): LowRankFactors {
  return { rank, a, b: b.subarray(row * rank, (row + rows) * rank) };
}

function rowsOf({ columns, data }: Matrix, row: number, rows: number): Matrix {
  return { rows, columns, data: data.slice(row * columns, (row + rows) * columns) };
}

function minus({ rows, columns, data }: Matrix, other: Float32Array): Matrix {
  return { rows, columns, data: data.map((value, i) => value - other[i]) };
}
