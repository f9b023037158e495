/** Layer by layer: which parts of the model a linear layer's calibration inputs have been through. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { type InputSite, layerLinears, siteOfRole } from "../../model/architecture.ts";
import { loadModel } from "../../model/load.ts";
import { linearKey } from "../../model/decoder/parameters.ts";
import { quantizeLayerwise } from "./layerwise.ts";
import type { InputStatistics } from "../method.ts";
import { quantize } from "../quantize.ts";
import { rtn } from "../methods/rtn.ts";

const windows = [1, 2].map((w) => Int32Array.from({ length: 24 }, (_, i) => 1 + (37 * i * w + i) % 500));
const sites: readonly InputSite[] = ["attention", "output", "mlp", "down"];

/** Adds `X^T X` of rows of `columns` values. */
function addGram(gram: Float64Array, x: Float32Array, columns: number): void {
  for (let first = 0; first < x.length; first += columns) {
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < columns; j++) gram[i * columns + j] += x[first + i] * x[first + j];
    }
  }
}

for (const sequential of [false, true]) {
  const through = sequential ? "all blocks before it" : "all layers before it";
  Deno.test(`statistics are of inputs that went through the quantized form of ${through}`, async () => {
    using model = await loadModel("fixture:llama");
    using coarse = await quantize(model, { weights: rtn({ bits: 3 }) });
    const { architecture, device } = model;
    const found = new Map<string, InputStatistics>();
    const parameters = await quantizeLayerwise(model, windows, {
      needed: () => true,
      sequential: () => sequential,
      quantize(layer, { role }, input) {
        assert(input !== null);
        found.set(`${layer} ${siteOfRole(role)}`, input);
        return Promise.resolve(coarse.linear(layer, role).retain());
      },
    });
    for (const one of parameters.values()) one.release();
    assertEquals(found.size, architecture.layers * sites.length);
    for (const [key, { gram, tokens, windows: count }] of found) {
      const [at, site] = key.split(" "), layer = Number(at);
      const done = (index: number, other: InputSite) =>
        index < layer ||
        (sequential && index === layer && sites.indexOf(other) < sites.indexOf(site as InputSite));
      const linears = new Map(
        Array.from({ length: architecture.layers }, (_, index) => index).flatMap((index) =>
          layerLinears(architecture, index).filter(({ role }) => done(index, siteOfRole(role)))
            .map(({ role }) => [linearKey(index, role), coarse.linear(index, role).retain()])
        ),
      );
      using hybrid = model.with({ linears, change: {} });
      const expected = new Float64Array(gram.length);
      await hybrid.forEachLogits(windows, () => {}, [{
        async input(x, one) {
          if (one.layer === layer && one.site === site) addGram(expected, await device.read(x), one.columns);
        },
      }]);
      assertEquals([tokens, count], [48, 2]);
      // Float32 products of `n` tokens are off by at most n 2^-24 of a diagonal entry.
      const bound = tokens * 2 ** -24 * expected.reduce((most, value) => Math.max(most, value), 0);
      for (const [i, value] of gram.entries()) assertLess(Math.abs(value - expected[i]), bound, key);
    }
  });
}

Deno.test("a sequential layer runs no block again for the statistics of the next", async () => {
  using model = await loadModel("fixture:llama");
  const seen: Record<string, number> = {};
  const parameters = await quantizeLayerwise(model, windows, {
    needed: () => true,
    sequential: () => true,
    rounding: {
      input(_, { layer, site }) {
        if (layer === 1) seen[site] = (seen[site] ?? 0) + 1 / windows.length;
      },
    },
    quantize: (layer, { role }) => Promise.resolve(model.linear(layer, role).retain()),
  });
  for (const one of parameters.values()) one.release();
  // Each input for its own statistics and on the way to the next block; the first of a block also for those of its second.
  assertEquals(seen, { attention: 3, output: 2, mlp: 3, down: 2 });
});
