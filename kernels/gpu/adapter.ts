/** Finds a GPU, says what it is, and refuses what would only pretend to be one. */

import { defaultEnvironment } from "../../base/environment.ts";
import { DeviceError } from "../error.ts";

/**
 * The adapter that the GPU device runs on, or why there is none. OpenGL is asked for one only where
 * `DENO_WEBGPU_BACKEND` says so.
 */
export async function findAdapter(): Promise<GPUAdapter | string> {
  // Deno would load libEGL beside Vulkan. `deno test` leaves with the threads of its files still ending, and the core of
  // a process that died after its last test (one of 130) shows libEGL's end in free() beside such a thread's. Without
  // libEGL none of 90 died, too few to prove it the cause.
  defaultEnvironment("DENO_WEBGPU_BACKEND", "vulkan,metal,dx12");
  // Without it libraries below Vulkan write to standard error that it is not set, though nothing is put there.
  defaultEnvironment("XDG_RUNTIME_DIR", "/tmp");
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return "no WebGPU adapter: install a Vulkan, Metal or Direct3D 12 driver";
  // Software rasterisers behind OpenGL take minutes for the first dispatch; those behind Vulkan can compute with f16, or are
  // SwiftShader, which browsers bring along.
  const behindVulkan = adapter.features.has("shader-f16") || /swiftshader/i.test(describe(adapter));
  if (isSoftware(adapter) && !behindVulkan) {
    return `${describe(adapter)} is a software rasteriser behind OpenGL: install mesa-vulkan-drivers`;
  }
  return adapter;
}

/** Whether an adapter is a program on the CPU: good for tests, slower than the CPU device. */
export function isSoftware({ info }: Pick<GPUAdapter, "info">): boolean {
  return info.isFallbackAdapter ||
    /llvmpipe|lavapipe|swiftshader|software|basic render/i.test(info.description);
}

/** The name of an adapter for provenance lines. */
export function describe({ info }: GPUAdapter): string {
  return info.description || [info.vendor, info.architecture, info.device].filter(Boolean).join(" ") ||
    "unnamed adapter";
}

/** A logical device with the limits of its adapter. */
export async function openAdapter(adapter: GPUAdapter): Promise<GPUDevice> {
  const { limits, features } = adapter;
  try {
    return await adapter.requestDevice({
      requiredFeatures: features.has("timestamp-query") ? ["timestamp-query"] : [],
      requiredLimits: {
        maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        maxBufferSize: limits.maxBufferSize,
      },
    });
  } catch (cause) {
    throw new DeviceError("unavailable", `${describe(adapter)} gave no device: ${cause}`, { cause });
  }
}
