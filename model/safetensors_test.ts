/** Files written by the reference writer are reproduced byte for byte; reading is lazy, writing atomic. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { CheckpointError } from "./files/error.ts";
import { bytesPerElement, type Dtype, dtypes, fromBytes, isDtype } from "./files/dtype.ts";
import {
  encodeSafetensors,
  openSafetensors,
  type RawTensor,
  readSafetensors,
  writeSafetensors,
} from "./safetensors.ts";

const fixture = "fixtures/models/llama/model.safetensors";

async function inTemporaryFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a file of the reference writer is written again byte for byte", async () => {
  for (const path of [fixture, "fixtures/models/opt/model.safetensors"]) {
    const { metadata } = await openSafetensors(path);
    const written = await new Blob(encodeSafetensors(await readSafetensors(path), metadata)).bytes();
    const original = await Deno.readFile(path);
    assertEquals(written.length, original.length, path);
    assert(written.every((byte, i) => byte === original[i]), path);
  }
});

const tensor: fc.Arbitrary<RawTensor> = fc.record({
  dtype: fc.constantFrom(...dtypes.filter(isDtype)),
  shape: fc.array(fc.nat({ max: 3 }), { maxLength: 3 }),
  seed: fc.nat(),
}).map(({ dtype, shape, seed }) => {
  const count = shape.reduce((product, size) => product * size, 1);
  // Bytes below 0x40 in every place: no NaN in any type, whose bits a decoder may change.
  const bytes = Uint8Array.from({ length: count * bytesPerElement(dtype) }, (_, i) => (seed + i * 7) % 64);
  return { dtype, shape, data: fromBytes(dtype, bytes.buffer) };
});

Deno.test("whatever is written is read again, in one piece and by rows", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = `${folder}/x.safetensors`;
    const names = fc.string({ unit: "grapheme", maxLength: 5 }).filter((name) => name !== "__metadata__");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(names, tensor), { maxLength: 4 }),
        fc.dictionary(fc.string(), fc.string(), { maxKeys: 2 }),
        async (entries, metadata) => {
          const tensors = new Map(entries);
          await writeSafetensors(path, tensors, new Map(Object.entries(metadata)));
          const back = await readSafetensors(path);
          assertEquals(back.size, tensors.size);
          const file = await openSafetensors(path);
          assertEquals(new Map(file.metadata), new Map(Object.entries(metadata)));
          for (const [name, original] of tensors) {
            assertEquals(back.get(name), original);
            const rows = original.shape[0] ?? 0;
            if (rows < 2) continue;
            const size = original.data.length / rows;
            const part = await file.readRows(name, 1, rows - 1);
            assertEquals(Array.from(part.data, Number), Array.from(original.data, Number).slice(size));
            assertEquals(part.shape[0], rows - 1);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

Deno.test("rows out of range and unknown names are refused", async () => {
  const file = await openSafetensors(fixture);
  const error = await assertRejects(() => file.read("model.nothing"), CheckpointError, "model.nothing");
  assertEquals(error.code, "tensor");
  for (const [start, count] of [[250, 7], [-1, 1], [0.5, 1], [0, -1]]) {
    await assertRejects(() => file.readRows("model.norm.weight", start, count), RangeError, "256 rows");
  }
});

Deno.test("a missing file, a directory and a file that shrank have typed errors", async () => {
  await inTemporaryFolder(async (folder) => {
    const absent = await assertRejects(() => openSafetensors(`${folder}/no.safetensors`), CheckpointError);
    assertEquals(absent.code, "missing");
    assertEquals((await assertRejects(() => openSafetensors(folder), CheckpointError)).code, "format");
    const path = `${folder}/x.safetensors`;
    await writeSafetensors(path, new Map([["a", { dtype: "F32", shape: [4], data: new Float32Array(4) }]]));
    const file = await openSafetensors(path);
    await Deno.truncate(path, file.byteLength - 1);
    assertEquals((await assertRejects(() => file.read("a"), CheckpointError)).code, "truncated");
  });
});

Deno.test("each kind of damage has its code", async () => {
  const data = new Uint8Array(16);
  const cases: [code: string, header: string, data: Uint8Array<ArrayBuffer>][] = [
    ["header", '{"a":1}', data],
    ["header", '{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}', data],
    ["dtype", '{"a":{"dtype":"F12","shape":[4],"data_offsets":[0,16]}}', data],
    ["shape", '{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,16]}}', data],
    ["offsets", '{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}', data],
    ["offsets", '{"a":{"dtype":"F32","shape":[3],"data_offsets":[4,16]}}', data],
    ["truncated", '{"a":{"dtype":"F32","shape":[5],"data_offsets":[0,20]}}', data],
    [
      "offsets",
      '{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]},"b":{"dtype":"U8","shape":[8],"data_offsets":[8,16]}}',
      data,
    ],
  ];
  await inTemporaryFolder(async (folder) => {
    for (const [code, header, body] of cases) {
      const json = new TextEncoder().encode(header);
      const start = new Uint8Array(8);
      new DataView(start.buffer).setBigUint64(0, BigInt(json.length), true);
      await Deno.writeFile(`${folder}/x.safetensors`, await new Blob([start, json, body]).bytes());
      const error = await assertRejects(() => readSafetensors(`${folder}/x.safetensors`), CheckpointError);
      assertEquals(error.code, code, `${header}: ${error.message}`);
    }
  });
});

Deno.test("what safetensors 0.8 opens is opened: types that are not decoded, metadata of null", async () => {
  // Type, bytes and shape, and whether the reference (Python, 0.8.0) opens the file.
  const cases: [dtype: string, bytes: number, shape: number[], opens: boolean][] = [
    ["F4", 8, [16], true],
    ["F4", 8, [8], false],
    ["F4", 1, [1], false],
    ["F6_E2M3", 6, [8], true],
    ["F6_E3M2", 6, [8], true],
    ["F6_E2M3", 1, [1], false],
    ["C64", 16, [2], true],
    ["F8_E4M3FNUZ", 4, [4], true],
    ["F8_E5M2FNUZ", 4, [4], true],
    ["Q8", 8, [8], false],
  ];
  await inTemporaryFolder(async (folder) => {
    const path = `${folder}/x.safetensors`;
    for (const [dtype, bytes, shape, opens] of cases) {
      const header = {
        __metadata__: null,
        a: { dtype, shape, data_offsets: [0, bytes] },
        b: { dtype: "F32", shape: [1], data_offsets: [bytes, bytes + 4] },
      };
      const json = new TextEncoder().encode(JSON.stringify(header)), start = new Uint8Array(8);
      new DataView(start.buffer).setBigUint64(0, BigInt(json.length), true);
      const body = Uint8Array.of(...new Uint8Array(bytes), 0, 0, 0x80, 0x3f);
      await Deno.writeFile(path, await new Blob([start, json, body]).bytes());
      if (!opens) {
        await assertRejects(() => openSafetensors(path), CheckpointError, dtype);
        continue;
      }
      const file = await openSafetensors(path);
      assertEquals(file.info("a").dtype, dtype);
      assertEquals([...(await file.read("b")).data], [1]);
      for (
        const read of [() => file.read("a"), () => file.readRows("a", 0, 1), () => readSafetensors(path)]
      ) {
        const error = await assertRejects(read, CheckpointError);
        assertEquals([error.code, error.message.includes(`"a"`), error.message.includes(dtype)], [
          "dtype",
          true,
          true,
        ]);
      }
    }
  });
});

Deno.test("writing refuses contradictions and leaves no partial file", async () => {
  const one = (dtype: Dtype, shape: number[]) =>
    new Map([["a", { dtype, shape, data: new Float32Array(4) }]]);
  assertThrows(() => encodeSafetensors(one("F32", [5])), CheckpointError, "[5]");
  assertThrows(() => encodeSafetensors(one("I32", [4])), CheckpointError, "Int32Array");
  await inTemporaryFolder(async (folder) => {
    await Deno.mkdir(`${folder}/taken`);
    await assertRejects(() => writeSafetensors(`${folder}/taken`, one("F32", [4])));
    const left = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
    assertEquals(left, ["taken"]);
  });
});

Deno.test("opening reads the header only", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = `${folder}/sparse.safetensors`;
    const bytes = 2 ** 33;
    const json = `{"a":{"dtype":"F32","shape":[${bytes / 4}],"data_offsets":[0,${bytes}]}}`;
    const head = new TextEncoder().encode(`\0\0\0\0\0\0\0\0${json}`);
    new DataView(head.buffer).setBigUint64(0, BigInt(json.length), true);
    await Deno.writeFile(path, head);
    await Deno.truncate(path, head.length + bytes);
    const file = await openSafetensors(path);
    assertEquals(file.tensors.get("a")?.shape, [bytes / 4]);
    // The last two of two billion numbers, without the 8 GiB before them.
    const { data } = await file.readRows("a", bytes / 4 - 2, 2);
    assertEquals([...data], [0, 0]);
  });
});
