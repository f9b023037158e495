/** Tests of rows of codes into a codebook: every device decodes the bits of the plain loops, and these the example. */

import { assertEquals, assertThrows } from "@std/assert";
import type { CodedRows, Device } from "../device.ts";
import { type Case, Random, testCases, testedDevices } from "./suite.ts";
import { DeviceError } from "../error.ts";
import { referenceDevice } from "../reference.ts";

const random = new Random(31);

/** Contents of the buffers of some rows. */
interface Contents extends Pick<CodedRows, "bits" | "width" | "perRow"> {
  readonly words: Uint32Array<ArrayBuffer>;
  readonly codebook: Float32Array;
  readonly scales: Float32Array;
  readonly starts: Uint32Array<ArrayBuffer>;
  readonly entries: Float32Array;
}

function upload(device: Device, { words, codebook, scales, starts, entries, ...rest }: Contents) {
  const buffers = {
    words: device.upload(new Float32Array(words.buffer)),
    codebook: device.upload(codebook),
    scales: device.upload(scales),
    starts: device.upload(new Float32Array(starts.buffer)),
    entries: device.upload(entries),
  };
  const release = () => Object.values(buffers).forEach((buffer) => buffer[Symbol.dispose]());
  return { ...rest, ...buffers, [Symbol.dispose]: release };
}

/** Random rows, of which every third one is all outliers and every other third has none. */
function randomRows(bits: number, width: number, rows: number, perRow: boolean): Contents {
  const starts = new Uint32Array(rows + 1), entries: number[] = [];
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < width; j++) {
      if (row % 3 === 0 || (row % 3 === 1 && random.next() < 0.1)) entries.push(j, random.next() * 50);
    }
    starts[row + 1] = entries.length / 2;
  }
  const mixed = new Float32Array(entries), columns = new Uint32Array(mixed.buffer);
  for (let i = 0; i < entries.length; i += 2) columns[i] = entries[i];
  const words = rows * Math.ceil(width / Math.floor(32 / bits));
  return {
    bits,
    width,
    perRow,
    words: Uint32Array.from({ length: words }, () => Math.floor(2 ** 32 * random.next())),
    codebook: random.normal(2 ** bits),
    scales: random.normal(2 * (perRow ? rows : width)),
    starts,
    entries: mixed,
  };
}

function decodeCase(contents: Contents, first: number, count: number): Case {
  return {
    name: `decode ${contents.bits} bits, rows of ${contents.width} from ${first}`,
    async run(device) {
      using rows = upload(device, contents), y = device.allocate(count * contents.width);
      device.decode(rows, y, first, count);
      return await device.read(y);
    },
    bound: "exact",
  };
}

testCases("decode", [
  decodeCase(randomRows(1, 1, 1, false), 0, 1),
  decodeCase(randomRows(3, 33, 7, true), 0, 7),
  decodeCase(randomRows(4, 128, 9, false), 4, 5),
  decodeCase(randomRows(8, 200, 70, true), 1, 66),
  decodeCase(randomRows(2, 5, 3, false), 3, 0),
]);

for (const tested of [{ name: "reference", open: () => referenceDevice() }, ...testedDevices]) {
  Deno.test(`decode: the plain example, and misuse (${tested.name})`, async () => {
    const device = await tested.open();
    // Codes 2, 0, 1 of [10, 20, 30, 40] with the range 0.5 and the center 1; the last value stands apart.
    const entries = Float32Array.of(0, -7);
    new Uint32Array(entries.buffer)[0] = 2;
    using rows = upload(device, {
      bits: 2,
      width: 3,
      perRow: true,
      words: Uint32Array.of(0b010010),
      codebook: Float32Array.of(10, 20, 30, 40),
      scales: Float32Array.of(1, 0.5),
      starts: Uint32Array.of(0, 1),
      entries,
    });
    using y = device.allocate(3), one = device.allocate(1);
    device.decode(rows, y, 0, 1);
    assertEquals(await device.read(y), Float32Array.of(16, 6, -7));
    const misuse: [Partial<CodedRows>, number, string][] = [
      [{ bits: 0 }, 1, "bits is 0"],
      [{}, 2, "words holds 1 elements: expected at least 2"],
      [{ codebook: one }, 1, "codebook holds 1 elements: expected at least 4"],
      [{ scales: one }, 1, "scales holds 1 elements: expected at least 2"],
      [{ starts: one }, 1, "starts holds 1 elements: expected at least 2"],
    ];
    for (const [part, count, message] of misuse) {
      assertThrows(() => device.decode({ ...rows, ...part }, y, 0, count), DeviceError, `decode: ${message}`);
    }
    assertThrows(() => device.decode(rows, one, 0, 1), DeviceError, "decode: y holds 1 elements");
  });
}
