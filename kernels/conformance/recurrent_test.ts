/** Tests of the operations of state-space layers: against their definitions, in parts and whole, and misuse. */

import { assertEquals, assertThrows } from "@std/assert";
import type { Device, ScanShape } from "../device.ts";
import { DeviceError } from "../error.ts";
import { assertSameBits, type Case, gamma, Random, testCases, testedDevices, u } from "./suite.ts";

const random = new Random(23);

testCases(
  "shortConvolution",
  [[1, 1, 1], [5, 3, 2], [65, 70, 4], [2, 512, 4]].flatMap(([tokens, channels, taps]) => {
    const x = random.normal((tokens + taps - 1) * channels), w = random.normal(taps * channels);
    const b = random.normal(channels);
    return [false, true].map((biased): Case => ({
      name: `shortConvolution ${tokens} x ${channels}, ${taps} taps${biased ? " + bias" : ""}`,
      async run(device) {
        using input = device.upload(x), kernel = device.upload(w), bias = device.upload(b);
        using y = device.allocate(tokens * channels);
        device.shortConvolution(input, kernel, biased ? bias : null, y, { tokens, channels, taps });
        return await device.read(y);
      },
      // A product and an addition for each tap, and the rounding of the reference.
      bound(i, _, { underflow }) {
        let size = biased ? Math.abs(b[i % channels]) : 0;
        for (let k = 0; k < taps; k++) size += Math.abs(w[k * channels + i % channels] * x[i + k * channels]);
        return gamma(2 * taps + 1) * size + underflow * taps;
      },
    }));
  }),
);

function sample({ tokens, channels, states }: ScanShape) {
  const positive = (length: number, most: number) =>
    random.normal(length).map((value) => Math.min(most, Math.abs(value)));
  return {
    x: random.normal(tokens * channels),
    step: positive(tokens * channels, 2),
    input: random.normal(tokens * states),
    output: random.normal(tokens * states),
    decay: positive(channels * states, 3).map((value) => -value),
    skip: random.normal(channels),
    state: random.normal(channels * states),
  };
}

/** Runs a scan over tokens `[first, last)`; the outputs, and the state is advanced. */
async function scanned(
  device: Device,
  values: ReturnType<typeof sample>,
  { tokens, channels, states }: ScanShape,
  cuts: readonly number[],
): Promise<Float32Array> {
  using stack = new DisposableStack();
  const upload = (data: Float32Array) => stack.use(device.upload(data));
  const state = upload(values.state), decay = upload(values.decay), skip = upload(values.skip);
  const outputs: number[] = [];
  for (const [i, first] of cuts.entries()) {
    const last = cuts[i + 1] ?? tokens, rows = last - first;
    const part = (name: "x" | "step" | "input" | "output") => {
      const width = values[name].length / tokens;
      return upload(values[name].subarray(first * width, last * width));
    };
    const y = stack.use(device.allocate(rows * channels));
    const operands = {
      x: part("x"),
      step: part("step"),
      input: part("input"),
      output: part("output"),
      decay,
      skip,
    };
    device.scan(operands, state, y, { tokens: rows, channels, states });
    outputs.push(...await device.read(y));
  }
  return Float32Array.from([...outputs, ...await device.read(state)]);
}

const shapes = [
  { tokens: 1, channels: 1, states: 1 },
  { tokens: 9, channels: 3, states: 5 },
  { tokens: 40, channels: 70, states: 16 },
  { tokens: 3, channels: 512, states: 16 },
  { tokens: 7, channels: 2, states: 130 },
].map((shape) => ({ shape, values: sample(shape) }));

testCases(
  "scan",
  shapes.map(({ shape, values }): Case => {
    const { tokens, channels, states } = shape;
    // What a sum of magnitudes would be, and the errors that add up on its way: of exp and its argument, of two products and a sum for each
    // token that a summand lives through.
    const sizes = new Float64Array(tokens * channels + channels * states), errors = sizes.slice();
    const fill = (exp: number) => {
      for (let c = 0; c < channels; c++) {
        const h = Array.from(values.state.subarray(c * states, (c + 1) * states), Math.abs);
        const error = new Float64Array(states);
        for (let t = 0; t < tokens; t++) {
          const width = values.step[t * channels + c], x = Math.abs(values.x[t * channels + c]);
          let size = Math.abs(values.skip[c]) * x, off = 2 * u * size;
          for (let n = 0; n < states; n++) {
            const argument = width * values.decay[c * states + n], kept = Math.exp(argument);
            const fresh = width * Math.abs(values.input[t * states + n]) * x;
            error[n] = kept * error[n] + u * ((exp + 3 - argument) * kept * h[n] + 4 * fresh);
            h[n] = kept * h[n] + fresh;
            const read = Math.abs(values.output[t * states + n]);
            size += read * h[n];
            off += read * error[n];
          }
          sizes[t * channels + c] = size;
          errors[t * channels + c] = off;
        }
        for (let n = 0; n < states; n++) {
          sizes[tokens * channels + c * states + n] = h[n];
          errors[tokens * channels + c * states + n] = error[n];
        }
      }
    };
    let filled = NaN;
    return {
      name: `scan ${JSON.stringify(shape)}`,
      run: (device) => scanned(device, values, shape, [0]),
      bound(i, _, { exp, underflow }) {
        if (filled !== exp) fill(filled = exp);
        return 1.01 * errors[i] + gamma(states + 4) * sizes[i] + underflow * tokens * states;
      },
    };
  }),
);

testCases(
  "takeColumns",
  [[1, 1, 0, 1], [5, 7, 2, 3], [300, 48, 16, 16], [2, 5, 5, 0]].map(([rows, columns, first, count]): Case => {
    const x = random.normal(rows * columns);
    return {
      name: `takeColumns ${first} to ${first + count} of ${rows} x ${columns}`,
      bound: "exact",
      async run(device) {
        using from = device.upload(x), to = device.allocate(rows * count);
        device.takeColumns(from, to, rows, first, count);
        return await device.read(to);
      },
    };
  }),
);

for (const tested of testedDevices) {
  Deno.test(`scan: in parts as in one go, and misuse (${tested.name})`, async () => {
    const device = await tested.open();
    const { shape, values } = shapes[2];
    const [whole, parts] = [
      await scanned(device, values, shape, [0]),
      await scanned(device, values, shape, [0, 1, 7, 39]),
    ];
    assertSameBits(parts, whole, "parts");
    using x = device.upload(new Float32Array(8)), y = device.allocate(8);
    const operands = { x, step: x, input: x, output: x, decay: x, skip: x };
    const misuse = (shape: ScanShape, message: string) =>
      assertThrows(
        () => device.scan(operands, y, device.upload(new Float32Array(8)), shape),
        DeviceError,
        message,
      );
    misuse({ tokens: 9, channels: 1, states: 1 }, "scan: x");
    misuse({ tokens: 1, channels: 1, states: 300 }, "scan: states");
    assertThrows(
      () => device.scan(operands, y, y, { tokens: 1, channels: 1, states: 1 }),
      DeviceError,
      "scan: y or state is also an operand",
    );
    assertThrows(() => device.takeColumns(x, y, 3, 0, 1), DeviceError, "takeColumns: length of x");
    assertThrows(() => device.takeColumns(x, y, 2, 3, 2), DeviceError, "takeColumns: count");
    assertThrows(
      () => device.shortConvolution(x, x, null, x, { tokens: 1, channels: 1, taps: 1 }),
      DeviceError,
      "shortConvolution: y is also an operand",
    );
    assertEquals(device.name.length > 0, true);
  });
}
