/**
 * Every storage type decodes to the bits of gguf-py 0.19 (Q1_0 and Q2_0, which it lacks: of ggml's own C code), row by row:
 * quantized rows, random bytes, and random bytes under extreme scales. Big-endian files and sets of parts give the same.
 */
import { assertEquals, assertRejects } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { CheckpointError } from "../files/error.ts";
import { isGguf, openGguf } from "./file.ts";
import { ggufTypes } from "./types.ts";

const folder = pathOf(new URL("../../fixtures/gguf/", import.meta.url));
const digests: {
  readonly types: Record<string, string[]>;
  readonly model: Record<string, string>;
  readonly bigEndian: Record<string, string>;
} = JSON.parse(await Deno.readTextFile(`${folder}digests.json`));

async function digest(values: Float32Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", values)).toHex();
}

Deno.test("all 33 types, bit for bit", async () => {
  assertEquals(ggufTypes.map(({ name }) => name).sort(), Object.keys(digests.types).sort());
  assertEquals(ggufTypes.length, 33);
  for (const [name, rows] of Object.entries(digests.types)) {
    const file = await openGguf(`${folder}types/${name}.gguf`);
    assertEquals(file.tensors.get("t.weight")?.type.name, name);
    for (const [row, expected] of rows.entries()) {
      assertEquals(await digest(await file.read("t.weight", row, 1)), expected, `${name}, row ${row}`);
    }
  }
});

Deno.test("big-endian files hold the same values", async () => {
  for (const name of ["little_endian", "big_endian"]) {
    const file = await openGguf(`${folder}${name}.gguf`);
    for (const [tensor, expected] of Object.entries(digests.bigEndian)) {
      assertEquals(await digest(await file.read(tensor)), expected, `${name} ${tensor}`);
    }
  }
});

Deno.test("a set is opened by any of its parts, whose tensors are those of the whole file", async () => {
  for (const part of ["1", "2"]) {
    const file = await openGguf(`${folder}split/split-0000${part}-of-00002.gguf`);
    assertEquals(file.metadata.get("general.architecture"), "llama");
    assertEquals([...file.tensors.keys()].sort(), Object.keys(digests.model).sort());
    for (const [name, expected] of Object.entries(digests.model)) {
      assertEquals(await digest(await file.read(name)), expected, name);
    }
  }
});

Deno.test("parts that are missing, renamed or of another set are refused", async () => {
  const directory = await Deno.makeTempDir();
  const copy = (part: number, name: string) =>
    Deno.copyFile(`${folder}split/split-0000${part}-of-00002.gguf`, `${directory}/${name}`);
  try {
    await copy(1, "a-00001-of-00002.gguf");
    await assertRejects(
      () => openGguf(`${directory}/a-00001-of-00002.gguf`),
      CheckpointError,
      "a-00002-of-00002.gguf: no such file",
    );
    await copy(1, "model");
    await assertRejects(
      () => openGguf(`${directory}/model`),
      CheckpointError,
      "part 1 of a model split in 2",
    );
    await copy(1, "a-00002-of-00002.gguf");
    await assertRejects(
      () => openGguf(`${directory}/a-00001-of-00002.gguf`),
      CheckpointError,
      "split.no is 0",
    );
    assertEquals([await isGguf(`${directory}/model`), await isGguf(directory)], [true, false]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("blocks that no tool writes big-endian are refused by name", async () => {
  const bytes = await Deno.readFile(`${folder}big_endian.gguf`);
  // The type of the last tensor, Q4_0 (2), becomes IQ4_NL (20), whose blocks have the same size.
  const at = new TextDecoder("latin1").decode(bytes).indexOf("d.q4_0") + 6 + 4 + 16;
  assertEquals(new DataView(bytes.buffer).getUint32(at), 2);
  new DataView(bytes.buffer).setUint32(at, 20);
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, bytes);
    const file = await openGguf(path);
    await assertRejects(() => file.read("d.q4_0"), CheckpointError, `tensor "d.q4_0" is IQ4_NL`);
  } finally {
    await Deno.remove(path);
  }
});
