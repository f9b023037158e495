/**
 * Gradients against finite differences of our own forward pass, against automatic differentiation of an independent
 * forward pass (jax-js), and against values that PyTorch gave (fixtures/expected/fisher.json, made by
 * fixtures/made-with/fisher.py).
 */
import { assert, assertAlmostEquals, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { grad, nn, numpy as np } from "@jax-js/jax";
import fisher from "../../fixtures/expected/fisher.json" with { type: "json" };
import { oracleWindows } from "../../eval/oracle.ts";
import { referenceDevice } from "../../kernels/reference.ts";
import { type Architecture, linearRoles, linearShape } from "../../model/architecture.ts";
import { loadModel } from "../../model/load.ts";
import { rotaryTable } from "../../model/decoder/rotary.ts";
import { DifferentiableBlock, readBlock } from "./block.ts";
import { keyValueGradients } from "./fisher.ts";
import { layerInputs } from "../calibration/layer_inputs.ts";
import { SchemeError } from "../error.ts";

type Tensor = np.Array;

/** A repeatable sequence of numbers in [-size, size). */
function noise(count: number, seed: number, size = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return (state / 2 ** 31 - 1) * size;
  });
}

const small: Architecture = {
  family: "llama",
  vocabularySize: 16,
  hiddenSize: 12,
  intermediateSize: 10,
  layers: 1,
  heads: 4,
  kvHeads: 2,
  headDim: 6,
  maxPositions: 16,
  norm: { kind: "rms", eps: 1e-5 },
  positions: { kind: "rotary", theta: 100, rotaryDim: 4, layout: "half" },
  activation: "silu",
  embedding: "",
  head: "",
  attentionNorm: { weight: "" },
  mlpNorm: { weight: "" },
  finalNorm: { weight: "" },
  linears: Object.fromEntries(
    ["q", "k", "v", "o", "gate", "up", "down"].map((role) => [role, { weight: role }]),
  ),
};
const architectures: [string, Architecture][] = [
  ["llama", small],
  ["interleaved rotary, one head per key", {
    ...small,
    kvHeads: 4,
    activation: "geluTanh",
    positions: { kind: "rotary", theta: 100, rotaryDim: 6, layout: "interleaved" },
  }],
  ["opt", {
    ...small,
    kvHeads: 4,
    norm: { kind: "layer", eps: 1e-5 },
    activation: "gelu",
    positions: { kind: "learned", tensor: "", offset: 0 },
    linears: Object.fromEntries(["q", "k", "v", "o", "up", "down"].map((role) => [role, { weight: role }])),
  }],
];

function parametersOf(architecture: Architecture): Map<string, Float32Array> {
  const parameters = new Map<string, Float32Array>();
  const biased = architecture.norm.kind === "layer";
  for (const [i, role] of linearRoles(architecture).entries()) {
    const [out, inputs] = linearShape(architecture, role);
    parameters.set(role, noise(out * inputs, 7 + i, 0.4));
    if (biased) parameters.set(`${role}.bias`, noise(out, 70 + i, 0.3));
  }
  for (const [i, name] of ["attentionNorm", "mlpNorm"].entries()) {
    parameters.set(name, noise(architecture.hiddenSize, 20 + i, 0.5).map((x) => 1 + x));
    if (biased) parameters.set(`${name}.bias`, noise(architecture.hiddenSize, 30 + i, 0.2));
  }
  return parameters;
}

/** The same layer written for automatic differentiation; `extra` is added to keys (before rotation) and values. */
function jaxBlock(
  architecture: Architecture,
  parameters: Record<string, Tensor>,
  x: Tensor,
  extra: { key: Tensor; value: Tensor },
  tokens: number,
  causal: boolean,
): Tensor {
  const { heads, kvHeads, headDim, norm, positions, activation } = architecture;
  const get = (name: string) => parameters[name].ref;
  const linear = (y: Tensor, role: string) => {
    const product = np.matmul(y, np.transpose(get(role)));
    return role + ".bias" in parameters ? product.add(get(`${role}.bias`)) : product;
  };
  const normalized = (y: Tensor, name: string) => {
    const centred = norm.kind === "rms" ? y : y.ref.sub(np.mean(y, -1, { keepdims: true }));
    const variance = np.mean(np.square(centred.ref), -1, { keepdims: true }).add(norm.eps);
    const scaled = centred.div(np.sqrt(variance)).mul(get(name));
    return `${name}.bias` in parameters ? scaled.add(get(`${name}.bias`)) : scaled;
  };
  const rotate = (y: Tensor) => {
    if (positions.kind !== "rotary") return y;
    const { rotaryDim, layout } = positions, half = rotaryDim / 2, table = rotaryTable(positions, tokens);
    const cosines = new Float32Array(tokens * headDim).fill(1), sines = new Float32Array(tokens * headDim);
    const swap = new Float32Array(headDim * headDim);
    for (let i = 0; i < half; i++) {
      const [a, b] = layout === "half" ? [i, i + half] : [2 * i, 2 * i + 1];
      swap[b * headDim + a] = -1;
      swap[a * headDim + b] = 1;
      for (let t = 0; t < tokens; t++) {
        for (const d of [a, b]) {
          cosines[t * headDim + d] = table[t * rotaryDim + i];
          sines[t * headDim + d] = table[t * rotaryDim + half + i];
        }
      }
    }
    const swapped = np.matmul(y.ref, np.array(swap).reshape([headDim, headDim]));
    return y.mul(np.array(cosines).reshape([tokens, headDim])).add(
      swapped.mul(np.array(sines).reshape([tokens, headDim])),
    );
  };
  const split = (y: Tensor, count: number) => np.transpose(y.reshape([tokens, count, headDim]), [1, 0, 2]);
  const repeat = (y: Tensor) => np.repeat(y, heads / kvHeads, 0);
  const h = normalized(x.ref, "attentionNorm");
  const q = rotate(split(linear(h.ref, "q"), heads));
  const k = repeat(rotate(split(linear(h.ref, "k").add(extra.key), kvHeads)));
  const v = repeat(split(linear(h, "v").add(extra.value), kvHeads));
  const mask = Float32Array.from(
    { length: tokens * tokens },
    (_, i) => causal && i % tokens > Math.floor(i / tokens) ? -1e30 : 0,
  );
  const scores = np.matmul(q, np.transpose(k, [0, 2, 1])).mul(1 / Math.sqrt(headDim))
    .add(np.array(mask).reshape([tokens, tokens]));
  const attended = np.transpose(np.matmul(nn.softmax(scores, -1), v), [1, 0, 2]).reshape([
    tokens,
    heads * headDim,
  ]);
  const middle = x.add(linear(attended, "o"));
  const m = normalized(middle.ref, "mlpNorm");
  const act = (y: Tensor) =>
    activation === "silu" ? nn.silu(y) : nn.gelu(y, { approximate: activation === "geluTanh" });
  const inner = "gate" in parameters
    ? act(linear(m.ref, "gate")).mul(linear(m.ref, "up"))
    : act(linear(m.ref, "up"));
  m.dispose();
  return middle.add(linear(inner, "down"));
}

function relative(a: Float32Array, b: ArrayLike<number>): number {
  let error = 0, size = 0;
  for (const [i, x] of a.entries()) {
    error += (x - b[i]) ** 2;
    size += b[i] ** 2;
  }
  return Math.sqrt(error / size);
}

for (const [name, architecture] of architectures) {
  for (const causal of [true, false]) {
    Deno.test(`${name}, ${causal ? "causal" : "not causal"}: gradients agree with jax-js and with finite differences`, async () => {
      using device = referenceDevice();
      const tokens = 5, { hiddenSize, kvHeads, headDim } = architecture;
      const parameters = parametersOf(architecture);
      const x = noise(tokens * hiddenSize, 1), dy = noise(tokens * hiddenSize, 2);
      const block = new DifferentiableBlock(device, architecture, parameters, { causal });
      const tape = await block.forward(x, tokens);
      const gradient = await block.backward(tape, dy, true);

      const tensor = (data: Float32Array, columns: number) =>
        np.array(data.slice()).reshape([data.length / columns, columns]);
      const tensors = Object.fromEntries(
        [...parameters].map(([key, data]) => {
          const role = linearRoles(architecture).find((one) => one === key);
          return [
            key,
            role === undefined ? np.array(data.slice()) : tensor(data, linearShape(architecture, role)[1]),
          ];
        }),
      );
      const zeros = () => np.zeros([tokens, kvHeads * headDim]);
      const loss = (p: Record<string, Tensor>, input: Tensor, key: Tensor, value: Tensor) =>
        np.sum(jaxBlock(architecture, p, input, { key, value }, tokens, causal).mul(tensor(dy, hiddenSize)));
      const [p, input, key, value] = grad(loss, { argnums: [0, 1, 2, 3] })(
        tensors,
        tensor(x, hiddenSize),
        zeros(),
        zeros(),
      ) as unknown as [Record<string, Tensor>, Tensor, Tensor, Tensor];
      assertLessOrEqual(relative(gradient.input, input.dataSync()), 2e-5);
      assertLessOrEqual(relative(gradient.key, key.dataSync()), 2e-5);
      assertLessOrEqual(relative(gradient.value, value.dataSync()), 2e-5);
      assertEquals(new Set(gradient.parameters.keys()), new Set(parameters.keys()));
      for (const [role, ours] of gradient.parameters) {
        // Keys have a bias that softmax cancels where no positions are rotated in: both gradients are rounding errors.
        if (role === "k.bias") continue;
        assertLessOrEqual(relative(ours, p[role].dataSync()), 5e-5, role);
      }

      const lossAt = async (changed: Map<string, Float32Array>) => {
        const { output } = await new DifferentiableBlock(device, architecture, changed, { causal }).forward(
          x,
          tokens,
        );
        return output.reduce((sum, y, i) => sum + y * dy[i], 0);
      };
      for (const role of ["q", "k", "v", "o", "up", "down", "attentionNorm", "mlpNorm"]) {
        // Along its own gradient the loss changes by |g| per unit step.
        const g = gradient.parameters.get(role) ?? new Float32Array();
        const size = Math.hypot(...g), step = 1e-2;
        const shifted = (sign: number) =>
          new Map(parameters).set(
            role,
            (parameters.get(role) ?? g).map((w, i) => w + sign * step * g[i] / size),
          );
        const slope = (await lossAt(shifted(1)) - await lossAt(shifted(-1))) / (2 * step);
        assertAlmostEquals(slope, size, 5e-3 * size, role);
      }
    });
  }
}

Deno.test("windows in one batch give the gradients that they give one by one", async () => {
  using device = referenceDevice();
  const parameters = parametersOf(small), tokens = 4, size = tokens * small.hiddenSize;
  const x = noise(2 * size, 5), dy = noise(2 * size, 6);
  const block = new DifferentiableBlock(device, small, parameters);
  const both = await block.backward(await block.forward(x, tokens), dy, true);
  const sums = new Map<string, Float32Array>();
  for (const w of [0, 1]) {
    const cut = (y: Float32Array) => y.slice(w * y.length / 2, (w + 1) * y.length / 2);
    const one = await block.backward(await block.forward(cut(x), tokens), cut(dy), true);
    for (const part of ["input", "key", "rotatedKey", "value"] as const) {
      assertLessOrEqual(relative(one[part], cut(both[part])), 1e-6);
    }
    for (const [name, g] of one.parameters) {
      sums.set(name, g.map((value, i) => value + (sums.get(name)?.[i] ?? 0)));
    }
  }
  for (const [name, g] of both.parameters) assertLessOrEqual(relative(g, sums.get(name) ?? []), 1e-6, name);
});

Deno.test("gradients of the loss with respect to keys and values agree with PyTorch", async () => {
  using model = await loadModel("fixture:llama");
  const windows = [(await oracleWindows("calib"))[0].slice(0, fisher.tokens)];
  const inputs = await layerInputs(model, windows);
  let layers = 0;
  for await (const { layer, keys, values } of keyValueGradients(model, windows, inputs)) {
    layers++;
    for (
      const [ours, expected] of [[keys[0], fisher.keys[layer]], [values[0], fisher.values[layer]]] as const
    ) {
      const picked = Float32Array.from(fisher.at, (i) => ours[i]);
      assertLessOrEqual(relative(picked, expected.at), 2e-5);
      const norm = Math.hypot(...ours);
      assertAlmostEquals(norm, expected.norm, 1e-5 * expected.norm);
    }
  }
  assertEquals(layers, model.architecture.layers);
});

Deno.test("opt: keys and values have gradients too", async () => {
  using model = await loadModel("fixture:opt");
  const windows = [Int32Array.from({ length: 12 }, (_, i) => 3 + 5 * i)];
  const inputs = await layerInputs(model, windows);
  for await (const { keys, values } of keyValueGradients(model, windows, inputs)) {
    assert(Math.hypot(...keys[0]) > 0 && Math.hypot(...values[0]) > 0);
    assert(keys[0].every(Number.isFinite) && values[0].every(Number.isFinite));
  }
});

Deno.test("an architecture whose forward pass is another one is refused", async () => {
  using model = await loadModel("fixture:llama");
  const windows = [Int32Array.from({ length: 12 }, (_, i) => 3 + 5 * i)];
  const inputs = await layerInputs(model, windows);
  const last = inputs[model.architecture.layers][0];
  for (let i = 0; i < last.length; i++) last[i] *= 1.01;
  const gradients = keyValueGradients(model, windows, inputs);
  await assertRejects(() => gradients.next(), SchemeError, "forward pass differs");
  assertEquals((await readBlock(model, 0)).size, 9);
});
