/** What stands in the place of the platform's files in a page must do what they do. */
import { assertEquals, assertRejects } from "@std/assert";
import * as diskFile from "../base/file.ts";
import * as nodeHash from "../base/hash.ts";
import { inPlaceOf } from "../build/in_place_of.ts";
import * as file from "./file.ts";
import * as hash from "./hash.ts";

const root = new URL("../", import.meta.url);

for (const [name, other] of Object.entries(inPlaceOf)) {
  if (name === "model/hub.ts") continue; // of which a page needs two functions: esbuild would miss others
  Deno.test(`${other} exports what ${name} does`, async () => {
    const theirs = await import(new URL(name, root).href), ours = await import(new URL(other, root).href);
    assertEquals(Object.keys(theirs).filter((key) => !(key in ours)), []);
  });
}

Deno.test("SHA-256 is node's, whole and in pieces", () => {
  const bytes = Uint8Array.from({ length: 700 }, (_, i) => i * 31 ^ i >> 3);
  for (let length = 0; length <= 700; length += length < 200 ? 1 : 37) {
    const part = bytes.subarray(0, length), expected = nodeHash.sha256Hex(part);
    assertEquals(hash.sha256Hex(part), expected);
    const pieces = hash.sha256();
    for (let at = 0, step = 1; at < length; at += step, step = step * 3 % 101) {
      pieces.update(part.subarray(at, at + step));
    }
    assertEquals(pieces.hex(), expected);
  }
  assertEquals(hash.hashOf({ a: [1, NaN], b: "ä" }), nodeHash.hashOf({ a: [1, NaN], b: "ä" }));
});

Deno.test("files in memory are read as on a disk", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/a/b`, { recursive: true });
    for (const [name, text] of [["a/b/one", "eins"], ["a/two", "zwei"]]) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
      file.giveFile(
        `${folder}/${name}`,
        name === "a/two" ? new Blob([text]) : new TextEncoder().encode(text),
      );
    }
    const seen = async (
      files: Pick<typeof diskFile, "exists" | "namesIn" | "openFile" | "readText" | "statOf">,
    ) => {
      const part = new Uint8Array(9), opened = await files.openFile(`${folder}/a/two`);
      const count = await opened.read(part, 1);
      await opened[Symbol.asyncDispose]();
      return [
        await files.namesIn(`${folder}/a`),
        await files.readText(`${folder}/a/b/one`),
        await files.readText(`${folder}/a/two`),
        await files.exists(`${folder}/a/`),
        await files.exists(`${folder}/three`),
        (await files.statOf(`${folder}/a/two`))?.size,
        (await files.statOf(`${folder}/a/b`))?.isDirectory,
        [...part, count],
      ];
    };
    assertEquals(await seen(file), await seen(diskFile));
    for (const path of ["/a/b.c", "a", "/a", "a/b/", "/"]) {
      assertEquals(file.directoryOf(path), diskFile.directoryOf(path), path);
      assertEquals(file.trimmedPath(`${path}//`), diskFile.trimmedPath(`${path}//`), path);
    }
    for (const open of [file.openFile, diskFile.openFile]) {
      const error = await assertRejects(() => open(`${folder}/three`));
      assertEquals([file.isMissing(error), diskFile.isMissing(error)], [true, true]);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
