/**
 * The stream of commands to a GPU: operations are recorded when they are called, submitted a batch at a time, and run
 * in order. Reading submits what is left and waits.
 */

import { DeviceError } from "../error.ts";
import { type Kernel, parameterStride } from "./kernel.ts";
import { type Tiles, tilesOf } from "./tiles.ts";

/** A piece of a GPU buffer, in bytes; to the end when it has no size. */
export interface View {
  readonly buffer: GPUBuffer;
  readonly offset?: number;
  readonly size?: number;
}

/** Dispatches of a batch: enough to hide the cost of a submission, few enough that the GPU starts early. */
const batch = 64;
/** Workgroups along one side of a dispatch. */
const widest = 32768;

/** Records and submits commands. */
export class Recorder {
  readonly #parameters: GPUBuffer;
  readonly #staged = new ArrayBuffer(batch * parameterStride);
  #encoder: GPUCommandEncoder | null = null;
  #pass: GPUComputePassEncoder | null = null;
  #dispatches = 0;
  #temporaries: GPUBuffer[] = [];
  #failure: DeviceError | null = null;
  #closed: DeviceError | null = null;

  /** `tiles` are those of products. */
  constructor(readonly device: GPUDevice, readonly tiles: Tiles = tilesOf(device.adapterInfo)) {
    this.#parameters = device.createBuffer({
      label: "parameters",
      size: batch * parameterStride,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      const message = event instanceof GPUUncapturedErrorEvent ? event.error.message : String(event);
      this.#failure ??= new DeviceError("gpu", `the GPU refused a command: ${message}`);
    });
    device.lost.then(({ message }) => {
      this.#failure = this.#closed ?? new DeviceError(
        "lost",
        `the GPU was lost (${message}): open a new device, or use QUANTBOOK_DEVICE=cpu`,
      );
    });
  }

  /** Gives the GPU back; every call that follows throws. */
  close(): void {
    this.#failure = this.#closed = new DeviceError("released", "the GPU device has been released");
    this.device.destroy();
  }

  /** Throws what went wrong since the last call: the GPU was lost, ran out of memory or refused a command. */
  check(): void {
    const failure = this.#failure;
    if (!failure) return;
    // A lost device stays lost; a refused command is told once.
    if (failure.code === "gpu") this.#failure = null;
    throw failure;
  }

  /**
   * Runs a kernel on `groups` workgroups (a number of them, or a grid). A buffer that is read and written by the same
   * dispatch is read from a copy, as WebGPU asks.
   */
  dispatch(
    kernel: Kernel,
    views: Readonly<Record<string, View>>,
    parameters: Readonly<Record<string, number>>,
    groups: number | readonly [number, number],
    constants?: Record<string, number>,
  ): void {
    const [columns, rows] = typeof groups === "number"
      ? [Math.min(groups, widest), Math.ceil(groups / widest)]
      : groups;
    if (columns === 0 || rows === 0) return;
    if (this.#dispatches === batch) this.flush();
    const written = new Set(
      kernel.bindings.filter((one) => one.written).map(({ name }) => views[name].buffer),
    );
    const resources = kernel.bindings.map(({ name, index, written: isWritten }) => {
      const view = views[name];
      return { binding: index, resource: !isWritten && written.has(view.buffer) ? this.#copyOf(view) : view };
    });
    const group = this.device.createBindGroup({
      layout: kernel.layout(this.device),
      entries: [{ binding: 0, resource: { buffer: this.#parameters, size: parameterStride } }, ...resources],
    });
    const slot = this.#dispatches++ * parameterStride;
    kernel.writeParameters(new DataView(this.#staged, slot, parameterStride), parameters);
    const pass = this.#pass ??= this.#encode().beginComputePass();
    pass.setPipeline(kernel.pipeline(this.device, constants));
    pass.setBindGroup(0, group, [slot]);
    pass.dispatchWorkgroups(columns, rows);
  }

  #copyOf(view: View): View {
    const size = view.size ?? view.buffer.size - (view.offset ?? 0);
    const buffer = this.temporary(size);
    this.copy(view.buffer, view.offset ?? 0, buffer, 0, size);
    return { buffer };
  }

  /** A buffer of unknown content that lives until the commands recorded so far and in this batch have run. */
  temporary(bytes: number): GPUBuffer {
    const buffer = this.device.createBuffer({
      size: Math.max(4, bytes),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    this.#temporaries.push(buffer);
    return buffer;
  }

  /** Copies bytes between buffers, or within one. */
  copy(from: GPUBuffer, fromOffset: number, to: GPUBuffer, toOffset: number, bytes: number): void {
    if (bytes === 0) return;
    if (from === to) {
      const between = this.temporary(bytes);
      this.copy(from, fromOffset, between, 0, bytes);
      return this.copy(between, 0, to, toOffset, bytes);
    }
    this.#encode().copyBufferToBuffer(from, fromOffset, to, toOffset, bytes);
  }

  /** Zeros. */
  clear(buffer: GPUBuffer): void {
    this.#encode().clearBuffer(buffer);
  }

  /** Overwrites bytes, after all commands recorded before. */
  write(buffer: GPUBuffer, offset: number, data: ArrayBufferView<ArrayBuffer>): void {
    if (data.byteLength === 0) return;
    this.flush();
    this.device.queue.writeBuffer(buffer, offset, data.buffer, data.byteOffset, data.byteLength);
  }

  /** The encoder, outside of any pass. */
  #encode(): GPUCommandEncoder {
    this.#pass?.end();
    this.#pass = null;
    return this.#encoder ??= this.device.createCommandEncoder();
  }

  /** Submits what is recorded. */
  flush(): void {
    if (!this.#encoder) return;
    const commands = this.#encode().finish();
    this.#encoder = null;
    if (this.#dispatches > 0) {
      this.device.queue.writeBuffer(this.#parameters, 0, this.#staged, 0, this.#dispatches * parameterStride);
    }
    this.device.queue.submit([commands]);
    this.#dispatches = 0;
    for (const buffer of this.#temporaries.splice(0)) buffer.destroy();
  }

  /** A copy of some bytes, after all commands recorded before have run. */
  async read(buffer: GPUBuffer, offset: number, bytes: number): Promise<ArrayBuffer> {
    this.check();
    if (bytes === 0) return new ArrayBuffer(0);
    const stage = this.device.createBuffer({
      size: bytes,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    this.copy(buffer, offset, stage, 0, bytes);
    this.flush();
    try {
      await stage.mapAsync(GPUMapMode.READ);
    } catch (cause) {
      // Why it was lost is known a moment later.
      await new Promise((resolve) => setTimeout(resolve, 0));
      this.check();
      throw new DeviceError("gpu", `the GPU gave no result: ${cause}`, { cause });
    }
    const copy = stage.getMappedRange().slice(0);
    stage.destroy();
    this.check();
    return copy;
  }
}
