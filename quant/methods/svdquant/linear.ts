/** A linear layer with a branch: a product of codes and rounded inputs, and two thin products of inputs as they are. */
import type { Device, DeviceBuffer, DeviceWeight } from "../../../kernels/device.ts";
import type { Linear } from "../../../model/decoder/parameter.ts";
import type { LowRankFactors } from "../../weights/low_rank.ts";

/** Rounds an input `[rows, columns]` in place. */
export type InputRounding = (x: DeviceBuffer, rows: number, columns: number) => void | Promise<void>;

/** `y = Q(x / s) R^T + (x / s) (b a)^T + bias`. */
export class LowRankLinear implements Linear {
  readonly #a: DeviceWeight | null = null;
  readonly #b: DeviceWeight | null = null;
  readonly #inverse: DeviceBuffer | null;

  /** Owns `residual`, which adds the bias. */
  constructor(
    private readonly device: Device,
    private readonly residual: Linear,
    private readonly columns: number,
    private readonly branch: LowRankFactors,
    factors: Float32Array | null,
    private readonly round: InputRounding | null,
  ) {
    const { rank, a, b } = branch;
    this.#inverse = factors === null ? null : device.upload(factors.map((one) => 1 / one));
    if (rank === 0) return;
    this.#a = device.weight(Float32Array.from(a), rank, columns);
    this.#b = device.weight(Float32Array.from(b), b.length / rank, rank);
  }

  get byteLength(): number {
    return this.residual.byteLength + (this.#a?.byteLength ?? 0) + (this.#b?.byteLength ?? 0) +
      4 * (this.#inverse?.length ?? 0);
  }

  async run(x: DeviceBuffer, y: DeviceBuffer, rows: number): Promise<void> {
    const { device, columns, branch: { rank } } = this;
    using scaled = device.allocate(rows * columns);
    device.copy(x, 0, scaled, 0, scaled.length);
    if (this.#inverse !== null) device.multiply(scaled, this.#inverse);
    using thin = this.#a && device.allocate(rows * rank);
    if (thin && this.#a) device.linear(scaled, this.#a, null, thin, rows);
    await this.round?.(scaled, rows, columns);
    await this.residual.run(scaled, y, rows);
    if (!thin || !this.#b) return;
    using added = device.allocate(rows * this.branch.b.length / rank);
    device.linear(thin, this.#b, null, added, rows);
    device.add(y, added);
  }

  [Symbol.dispose](): void {
    for (const one of [this.residual, this.#a, this.#b, this.#inverse]) one?.[Symbol.dispose]();
  }
}
