/**
 * A WGSL kernel whose source is its only description: names and access of its buffers and the fields of its parameters
 * are read from the declarations, so that callers bind and set them by name.
 */

import { DeviceError } from "../error.ts";

/** A storage buffer that a kernel declares. */
export interface Binding {
  /** Number of the binding in group 0. */
  readonly index: number;
  /** Name of the variable. */
  readonly name: string;
  /** Whether the kernel writes to it. */
  readonly written: boolean;
}

/** Bytes between the parameters of two dispatches: the alignment that every device accepts. */
export const parameterStride = 256;

/** Compute shaders of one source, one pipeline per set of constants. */
export class Kernel {
  /** The storage buffers, in order of their declarations. */
  readonly bindings: readonly Binding[];
  /** Fields of the struct `Params`, four bytes each. */
  readonly fields: readonly { name: string; type: string }[];
  readonly #pipelines = new WeakMap<GPUDevice, Map<string, GPUComputePipeline>>();
  readonly #layouts = new WeakMap<GPUDevice, GPUBindGroupLayout>();

  /** `sources` are joined: preludes, then the file with `main`. */
  constructor(readonly name: string, ...sources: string[]) {
    this.source = sources.join("\n");
    const buffers = this.source.matchAll(/@binding\((\d+)\) var<storage, (read|read_write)> (\w+):/g);
    this.bindings = [...buffers].map(([, index, access, name]) => ({
      index: Number(index),
      name,
      written: access === "read_write",
    }));
    const struct = this.source.match(/struct Params \{([^}]*)\}/)?.[1] ?? "";
    this.fields = [...struct.matchAll(/^\s*(\w+): (u32|f32),$/gm)].map(([, name, type]) => ({ name, type }));
  }

  /** The whole WGSL program. */
  readonly source: string;

  /** How its buffers are bound. */
  layout(device: GPUDevice): GPUBindGroupLayout {
    const known = this.#layouts.get(device);
    if (known) return known;
    const visibility = GPUShaderStage.COMPUTE;
    const layout = device.createBindGroupLayout({
      entries: [
        { binding: 0, visibility, buffer: { type: "uniform", hasDynamicOffset: true } },
        ...this.bindings.map(({ index, written }) => ({
          binding: index,
          visibility,
          buffer: { type: written ? "storage" as const : "read-only-storage" as const },
        })),
      ],
    });
    this.#layouts.set(device, layout);
    return layout;
  }

  /** The pipeline for some values of the `override` constants, compiled at the first call. */
  pipeline(device: GPUDevice, constants: Record<string, number> = {}): GPUComputePipeline {
    const pipelines = this.#pipelines.get(device) ?? new Map<string, GPUComputePipeline>();
    this.#pipelines.set(device, pipelines);
    const key = JSON.stringify(constants);
    const known = pipelines.get(key);
    if (known) return known;
    const pipeline = device.createComputePipeline({
      label: this.name,
      layout: device.createPipelineLayout({ bindGroupLayouts: [this.layout(device)] }),
      compute: {
        module: device.createShaderModule({ label: this.name, code: this.source }),
        entryPoint: "main",
        constants,
      },
    });
    pipelines.set(key, pipeline);
    return pipeline;
  }

  /** Writes the parameters as the struct `Params` has them. */
  writeParameters(target: DataView, parameters: Readonly<Record<string, number>>): void {
    for (const [i, { name, type }] of this.fields.entries()) {
      const value = parameters[name];
      if (value === undefined) throw new DeviceError("kernel", `${this.name}: parameter ${name} is missing`);
      if (type === "f32") target.setFloat32(4 * i, value, true);
      else target.setUint32(4 * i, value, true);
    }
  }
}
