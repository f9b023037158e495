/** Operands that are looked at layer by layer: behind layers quantized whole, attention's before inputs, and both before weights. */
import { assert, assertEquals } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import type { Device, DeviceBuffer } from "../../kernels/device.ts";
import { loadModel } from "../../model/load.ts";
import type { Intervention } from "../../model/decoder/intervention.ts";
import type { LayeredOperand, MethodWith, OperandMethod, OperandView } from "../method.ts";
import { dgq } from "../methods/dgq.ts";
import { gptq } from "../methods/gptq.ts";
import { rtn } from "../methods/rtn.ts";
import type { Tagged } from "../options.ts";
import { quantize } from "../quantize.ts";
import { registerMethod } from "../registry.ts";
import type { Scheme } from "../scheme.ts";

const folder = pathOf(new URL("../../fixtures/families/", import.meta.url));
const windows = [11, 12].map((seed) => Int32Array.from({ length: 12 }, (_, i) => (i * 17 + seed) % 60));

/** What observers saw, by looking site, layer, window and place. */
const seen = new Map<string, Float32Array>(), order: string[] = [];

const round = (device: Device, x: DeviceBuffer, { rows, columns }: OperandView) =>
  device.fakeQuantize(x, x, { bits: 4, mode: "symmetric", zeroInRange: true }, {
    rows,
    columns,
    axis: "row",
  });

const operand: OperandMethod<Tagged & { readonly site?: string }> = {
  apply: () => {
    throw new Error("what is looked at layer by layer is not applied as it is");
  },
  layered({ device }, { site }): Promise<LayeredOperand> {
    return Promise.resolve({
      round: (x, view) => round(device, x, view),
      look(layer, window) {
        const note = async (place: string, x: DeviceBuffer) => {
          seen.set(`${site} ${layer} ${window} ${place}`, await device.read(x));
        };
        const observer: Intervention = { input: (x, at) => note(at.site, x), key: (x) => note("key", x) };
        return { observer, done: () => Promise.resolve(void order.push(`${site} ${layer} ${window}`)) };
      },
    });
  },
};
const watch: MethodWith<{ operand: typeof operand }> = {
  name: "watch",
  version: "1",
  parse: (options) => ({ method: "watch", ...options }),
  operand,
};
registerMethod(watch);

Deno.test("each layer is looked at behind layers as they are in the end; keys as they are, inputs behind rounded keys", async () => {
  using model = await loadModel(`${folder}llama_mha`);
  for (const weights of [rtn({ bits: 4 }), gptq({ bits: 4 }), gptq({ bits: 4, trueSequential: true })]) {
    seen.clear();
    order.length = 0;
    const scheme = {
      weights,
      activations: { method: "watch", site: "activations" },
      key: { method: "watch", site: "key" },
    } as unknown as Scheme;
    using quantized = await quantize(model, scheme, { calibration: windows });
    const { device, architecture: { layers, headDim, heads } } = quantized;
    assert(layers > 1);
    const expected = Array.from(
      { length: layers },
      (_, layer) =>
        ["key", "activations"].flatMap((site) => windows.map((_, window) => `${site} ${layer} ${window}`)),
    );
    assertEquals(order, expected.flat());
    for (const [window, ids] of windows.entries()) {
      const final = new Map<string, Float32Array>();
      const observer: Intervention = {
        async input(x, { layer, site }) {
          if (site === "attention") final.set(`${layer}`, await device.read(x));
        },
      };
      for (const states of await quantized.hiddenStates([ids], [observer])) states[Symbol.dispose]();
      for (let layer = 0; layer < layers; layer++) {
        for (const site of ["key", "activations"]) {
          // Observers of a pass see what the model's own rounding has not touched.
          const at = `${site} ${layer} ${window}`;
          assertEquals(seen.get(`${at} attention`), final.get(`${layer}`), at);
        }
        const [plain, rounded] = ["key", "activations"].map((site) =>
          seen.get(`${site} ${layer} ${window} key`)
        );
        assert(plain !== undefined && heads > 0);
        using keys = device.upload(plain);
        round(device, keys, {
          rows: ids.length,
          columns: plain.length / ids.length,
          heads: plain.length / ids.length / headDim,
        });
        assertEquals(await device.read(keys), rounded, `keys of layer ${layer}`);
      }
    }
  }
});

Deno.test("dgq: fixed ranges found behind whole layers; without weights behind rounded inputs; and kept for a run that goes on", async () => {
  using model = await loadModel(`${folder}llama_mha`);
  const own = dgq({ groupSize: 8, behind: "layers" }), float = dgq({ groupSize: 8, behind: "float" });
  const quantizedBy = (fixed: typeof own) =>
    quantize(model, { weights: own, key: fixed, value: fixed, activations: fixed }, { calibration: windows });
  using layers = await quantizedBy(own);
  using plain = await quantizedBy(float);
  const [a, b] = [await layers.logits(windows[0]), await plain.logits(windows[0])];
  assert(
    a.some((value, i) => value !== b[i]),
    "ranges behind quantized layers differ from those of the float model",
  );
  // With no weights to walk over, what is asked for is what rounded inputs give.
  using without = await quantize(model, { activations: own }, { calibration: windows });
  using rounded = await quantize(model, { activations: dgq({ groupSize: 8 }) }, { calibration: windows });
  assertEquals(await without.logits(windows[0]), await rounded.logits(windows[0]));
  const resume = await Deno.makeTempDir();
  try {
    for (let run = 0; run < 2; run++) {
      using again = await quantize(model, { weights: own, key: own, value: own, activations: own }, {
        calibration: windows,
        resume,
      });
      assertEquals(await again.logits(windows[0]), a, `run ${run}`);
    }
  } finally {
    await Deno.remove(resume, { recursive: true });
  }
});
