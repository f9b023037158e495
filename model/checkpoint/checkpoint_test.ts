/** Checkpoints: one file or shards give the same tensors; weights are finite real numbers of the shape asked for. */
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { CheckpointError } from "../files/error.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { sha256File } from "../files/read.ts";
import { type RawTensor, readSafetensors, writeSafetensors } from "../safetensors.ts";
import { openWeights } from "./weights.ts";

const fixture = "fixtures/models/llama";

async function inTemporaryFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Splits the fixture in three shards with an index. */
async function shard(folder: string): Promise<string[]> {
  const tensors = [...await readSafetensors(`${fixture}/model.safetensors`)];
  const weightMap: Record<string, string> = {};
  const files = [1, 2, 3].map((i) => `model-0000${i}-of-00003.safetensors`);
  for (const [i, file] of files.entries()) {
    const part = tensors.filter((_, at) => at % 3 === i);
    for (const [name] of part) weightMap[name] = file;
    await writeSafetensors(`${folder}/${file}`, new Map(part));
  }
  const index = JSON.stringify({ metadata: { total_size: 1 }, weight_map: weightMap });
  await Deno.writeTextFile(`${folder}/model.safetensors.index.json`, index);
  await Deno.copyFile(`${fixture}/config.json`, `${folder}/config.json`);
  return files;
}

Deno.test("shards give the tensors of the single file", async () => {
  await inTemporaryFolder(async (folder) => {
    await shard(folder);
    const [single, sharded] = [await openCheckpoint(fixture), await openCheckpoint(folder)];
    assertEquals(sharded.names().sort(), single.names().sort());
    for (const name of single.names()) {
      assertEquals(sharded.shape(name), single.shape(name));
      const [a, b] = [await single.tensor(name), await sharded.tensor(name)];
      assert(a.every((value, i) => value === b[i]), name);
    }
  });
});

Deno.test("a directory, its file and its index open the same checkpoint", async () => {
  await inTemporaryFolder(async (folder) => {
    await shard(folder);
    const byFolder = await openCheckpoint(`${folder}/`);
    const byIndex = await openCheckpoint(`${folder}/model.safetensors.index.json`);
    assertEquals(await byFolder.sha256(), await byIndex.sha256());
  });
  const file = await openCheckpoint(`${fixture}/model.safetensors`);
  assertEquals(file.directory, fixture);
  assertEquals(await file.sha256(), await (await openCheckpoint(fixture)).sha256());
});

Deno.test("a missing, a foreign and a contradictory shard are named", async () => {
  await inTemporaryFolder(async (folder) => {
    const [first, second] = await shard(folder);
    await Deno.rename(`${folder}/${second}`, `${folder}/kept`);
    const missing = await assertRejects(() => openCheckpoint(folder), CheckpointError, second);
    assertEquals(missing.code, "missing");
    await Deno.copyFile(`${folder}/${first}`, `${folder}/${second}`);
    const twice = await assertRejects(
      () => openCheckpoint(folder),
      CheckpointError,
      `${first} and ${second}`,
    );
    assertEquals(twice.code, "index");
    await Deno.writeTextFile(`${folder}/${second}`, "version https://git-lfs.github.com/spec/v1\n");
    const pointer = await assertRejects(() => openCheckpoint(folder), CheckpointError, second);
    assertEquals(pointer.code, "format");
  });
});

Deno.test("a folder without weights says so, and that pickles are never loaded", async () => {
  await inTemporaryFolder(async (folder) => {
    const empty = await assertRejects(() => openCheckpoint(folder), CheckpointError, "no model.safetensors");
    assertEquals(empty.code, "missing");
    await Deno.writeTextFile(`${folder}/pytorch_model.bin`, "");
    await assertRejects(() => openCheckpoint(folder), CheckpointError, "pytorch_model.bin is a pickle");
    await Deno.writeTextFile(`${folder}/model.gguf`, "GGUF");
    await assertRejects(() => openCheckpoint(folder), CheckpointError, "name the file itself");
  });
  await assertRejects(() => openCheckpoint("fixtures/absent"), CheckpointError, "no such file");
});

Deno.test("the hash changes with a weight and with the configuration", async () => {
  await inTemporaryFolder(async (folder) => {
    for (const name of ["config.json", "model.safetensors"]) {
      await Deno.copyFile(`${fixture}/${name}`, `${folder}/${name}`);
    }
    const before = await (await openCheckpoint(folder)).sha256();
    assertEquals(before, await (await openCheckpoint(fixture)).sha256());
    assertEquals(
      await (await openWeights(`${folder}/model.safetensors`)).sha256(),
      await sha256File(`${fixture}/model.safetensors`),
    );
    const config = JSON.parse(await Deno.readTextFile(`${folder}/config.json`));
    await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify({ ...config, rope_theta: 20000 }));
    const after = await (await openCheckpoint(folder)).sha256();
    assertNotEquals(after, before);
    const bytes = await Deno.readFile(`${folder}/model.safetensors`);
    bytes[bytes.length - 1] ^= 1;
    await Deno.writeFile(`${folder}/model.safetensors`, bytes);
    assertNotEquals(await (await openCheckpoint(folder)).sha256(), after);
  });
});

Deno.test("values that are not finite are refused with their place", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = `${folder}/x.safetensors`;
    const f32 = (...values: number[]): RawTensor => ({
      dtype: "F32",
      shape: [values.length / 2, 2],
      data: Float32Array.from(values),
    });
    const half: RawTensor = { dtype: "F16", shape: [2], data: Float32Array.of(1, 1e9) };
    await writeSafetensors(
      path,
      new Map([
        ["fine", f32(1, -0, 3.4e38, 1e-45)],
        ["nan", f32(1, 2, 3, NaN)],
        ["infinite", half],
        ["codes", { dtype: "I8", shape: [1], data: Int8Array.of(1) }],
      ]),
    );
    const weights = await openWeights(path);
    assertEquals((await weights.tensor("fine")).length, 4);
    const nan = await assertRejects(
      () => weights.tensor("nan"),
      CheckpointError,
      '"nan" is NaN at element 3',
    );
    assertEquals(nan.code, "nan");
    await assertRejects(() => weights.tensorRows("nan", 1, 1), CheckpointError, "NaN at element 3");
    assertEquals([...await weights.tensorRows("nan", 0, 1)], [1, 2]);
    await assertRejects(() => weights.tensor("infinite"), CheckpointError, "Infinity at element 1");
    assertEquals((await assertRejects(() => weights.tensor("codes"), CheckpointError, "I8")).code, "dtype");
  });
});

Deno.test("requireShape tells what is there and what is needed", async () => {
  const checkpoint = await openCheckpoint(fixture);
  checkpoint.requireShape("model.embed_tokens.weight", [2048, 256]);
  for (const shape of [[256, 2048], [2048], [2048, 256, 1]]) {
    const error = assertThrows(
      () => checkpoint.requireShape("model.embed_tokens.weight", shape),
      CheckpointError,
      `[2048,256], the configuration needs [${shape}]`,
    );
    assertEquals(error.code, "shape");
  }
  const absent = assertThrows(() => checkpoint.requireShape("lm_head.weight", [2048, 256]), CheckpointError);
  assertEquals(absent.code, "tensor");
  assertEquals(checkpoint.dtype("model.norm.weight"), "F16");
});
