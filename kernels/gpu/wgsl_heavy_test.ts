/**
 * All WGSL goes through Tint, the compiler of Chrome, which needs no GPU and no driver (Dawn's null backend), with the
 * limits that every WebGPU device has: what this accepts and the device at hand runs is portable. Tint is stricter than
 * the compiler in Deno where control flow around barriers must be uniform.
 */

import { assert, assertEquals } from "@std/assert";
import { create } from "npm:webgpu@0.6.2";
import { kernels } from "./kernels.ts";

const gpu: GPU = create(["backend=null"]);

/** What Tint says about a program, and whether pipelines of it with these constants fit the default limits. */
async function complaints(
  device: GPUDevice,
  code: string,
  constants: Record<string, number>,
): Promise<string[]> {
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main", constants } });
  const error = await device.popErrorScope();
  return [
    ...messages.map(({ lineNum, message }) => `line ${lineNum}: ${message}`),
    ...error ? [error.message] : [],
  ];
}

Deno.test("WGSL: Tint accepts every kernel, within the default limits", async () => {
  const adapter = await gpu.requestAdapter();
  assert(adapter);
  const device = await adapter.requestDevice();
  assertEquals(device.limits.maxComputeWorkgroupStorageSize, 16384);
  assertEquals(device.limits.maxStorageBuffersPerShaderStage, 8);
  for (const kernel of Object.values(kernels)) {
    const overrides = [...kernel.source.matchAll(/^override (\w+): (\w+)/gm)];
    const settings: Record<string, number>[] = overrides.length === 0
      ? [{}]
      : [1, 3, 4, 8].map((bits) =>
        Object.fromEntries(overrides.map(([, name, type]) => [name, type === "bool" ? bits % 2 : bits]))
      );
    for (const constants of settings) {
      assertEquals(await complaints(device, kernel.source, constants), [], kernel.name);
    }
  }
  device.destroy();
});

Deno.test("WGSL: Tint refuses what is wrong", async () => {
  const adapter = await gpu.requestAdapter();
  assert(adapter);
  const device = await adapter.requestDevice();
  const barrier = `@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {
    if (i < 3u) { workgroupBarrier(); }
  }`;
  const [first] = await complaints(device, barrier, {});
  assert(first.includes("uniform control flow"), first);
  device.destroy();
});

Deno.test("WGSL: every file opens with its idea, and kernels with their roofline", async () => {
  for await (const { name } of Deno.readDir(new URL("./wgsl/", import.meta.url))) {
    const text = await Deno.readTextFile(new URL(`./wgsl/${name}`, import.meta.url));
    const opening = text.slice(0, text.search(/^(?!\/\/)/m));
    assert(opening.length > 80, `${name} opens with: ${opening}`);
    const kernel = /@compute|^fn each/m.test(text) && !opening.startsWith("// Prelude");
    if (kernel) assert(opening.includes("Roofline:"), `${name} names no roofline`);
  }
});

Deno.test("WGSL: what the sources declare is what kernels bind", () => {
  for (const kernel of Object.values(kernels)) {
    const declared = [...kernel.source.matchAll(/@binding\((\d+)\)/g)].map(([, index]) => Number(index));
    assertEquals(kernel.bindings.map(({ index }) => index).concat(0).sort(), declared.sort(), kernel.name);
    assert(kernel.fields.length > 0 && kernel.fields.length <= 64, kernel.name);
  }
});
