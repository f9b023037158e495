/** Operations that treat each row (or element) alone: norms, log-softmax, rotary positions, activations. */

/** `y = x / sqrt(mean(x^2) + eps) * weight` for each row. */
export function rmsNorm(
  x: Float32Array,
  weight: Float32Array,
  y: Float32Array,
  rows: number,
  eps: number,
): void {
  const columns = weight.length;
  for (let start = 0; start < rows * columns; start += columns) {
    let squares = 0;
    for (let j = 0; j < columns; j++) squares += x[start + j] ** 2;
    const scale = 1 / Math.sqrt(squares / columns + eps);
    for (let j = 0; j < columns; j++) y[start + j] = x[start + j] * scale * weight[j];
  }
}

/** `y = (x - mean) / sqrt(variance + eps) * weight + bias` for each row. */
export function layerNorm(
  x: Float32Array,
  weight: Float32Array,
  bias: Float32Array | null,
  y: Float32Array,
  rows: number,
  eps: number,
): void {
  const columns = weight.length;
  for (let start = 0; start < rows * columns; start += columns) {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += x[start + j];
    const mean = sum / columns;
    let squares = 0;
    for (let j = 0; j < columns; j++) squares += (x[start + j] - mean) ** 2;
    const scale = 1 / Math.sqrt(squares / columns + eps);
    for (let j = 0; j < columns; j++) {
      y[start + j] = (x[start + j] - mean) * scale * weight[j] + (bias ? bias[j] : 0);
    }
  }
}

/** `y = x - log(sum(exp(x)))` for each row. */
export function logSoftmax(x: Float32Array, y: Float32Array, rows: number, columns: number): void {
  for (let start = 0; start < rows * columns; start += columns) {
    let highest = -Infinity;
    for (let j = 0; j < columns; j++) highest = Math.max(highest, x[start + j]);
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += Math.exp(x[start + j] - highest);
    const logSum = highest + Math.log(sum);
    for (let j = 0; j < columns; j++) y[start + j] = x[start + j] - logSum;
  }
}
