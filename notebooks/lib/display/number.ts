/** How numbers are written: fixed decimals per column, a true minus sign, uncertainties with two significant digits. */

/** A measured value with its standard error; results of `perplexity` and `divergence` are such. */
export interface Estimate {
  readonly value: number;
  readonly standardError: number;
}

/** Whether a table cell holds an estimate. */
export function isEstimate(value: unknown): value is Estimate {
  return typeof value === "object" && value !== null && "value" in value && "standardError" in value &&
    typeof value.value === "number" && typeof value.standardError === "number";
}

/** A number with a fixed count of decimals; `−` (U+2212) is the minus sign. */
export function formatNumber(value: number, digits: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/** A value with its uncertainty: `23.55 ± 0.12`. */
export function formatEstimate({ value, standardError }: Estimate, digits: number): string {
  return `${formatNumber(value, digits)} ± ${formatNumber(standardError, digits)}`;
}

/**
 * Decimals that suit a column: none for whole numbers; two significant digits of the smallest standard error, if
 * there are any; else as many as the numbers have, up to four significant digits of the largest.
 */
export function suitableDigits(values: readonly (number | Estimate)[]): number {
  const errors = values.flatMap((
    value,
  ) => (isEstimate(value) && value.standardError > 0 ? value.standardError : []));
  if (errors.length > 0) return clamp(1 - Math.floor(Math.log10(Math.min(...errors))));
  const numbers = values.map((value) => (isEstimate(value) ? value.value : value)).filter(Number.isFinite);
  if (numbers.every(Number.isInteger)) return 0;
  const most = clamp(3 - Math.floor(Math.log10(Math.max(...numbers.map(Math.abs)))));
  const decimals = numbers.map((value) =>
    value.toFixed(most).replace(/\.?0+$/, "").split(".")[1]?.length ?? 0
  );
  return Math.max(...decimals);
}

function clamp(digits: number): number {
  return Math.min(6, Math.max(0, digits));
}
