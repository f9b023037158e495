/** Planted in the files of a checkpoint: what its headers and its index say beyond what is read is told, or refused by name. */
import { assertEquals, assertRejects } from "@std/assert";
import { CheckpointError } from "../files/error.ts";
import { encodeSafetensors, type RawTensor } from "../safetensors.ts";
import { openWeights } from "./weights.ts";

const one: RawTensor = { dtype: "F32", shape: [1], data: new Float32Array(1) };

/** A directory with these files, for the time of `use`. */
async function withFiles(
  files: Record<string, BlobPart>,
  use: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    for (const [name, content] of Object.entries(files)) {
      await Deno.writeFile(`${directory}/${name}`, new Uint8Array(await new Blob([content]).arrayBuffer()));
    }
    await use(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function fileOf(names: readonly string[], metadata: Record<string, string> = { format: "pt" }): Blob {
  const tensors = new Map(names.map((name) => [name, one]));
  return new Blob(
    encodeSafetensors(tensors, new Map(Object.entries(metadata))).map((piece) => new Uint8Array(piece)),
  );
}

Deno.test("planted: what the header of a file says beyond its tensors is told, a format that is none refused", async () => {
  const plain = { "a.safetensors": fileOf(["x"], { format: "pt", total_size: "4" }) };
  await withFiles(plain, async (directory) => {
    assertEquals((await openWeights(`${directory}/a.safetensors`)).notices, []);
  });
  await withFiles({ "a.safetensors": fileOf(["x"], { scale: "2" }) }, async (directory) => {
    const path = `${directory}/a.safetensors`;
    assertEquals((await openWeights(path)).notices, [
      `${path}: __metadata__: scale ("2") is not known here and was not used`,
    ]);
  });
  await withFiles({ "a.safetensors": fileOf(["x"], { format: "odd" }) }, async (directory) => {
    const open = () => openWeights(`${directory}/a.safetensors`);
    const error = await assertRejects(open, CheckpointError, `__metadata__: format is "odd"`);
    assertEquals(error.code, "header");
  });
  const header = '{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"scale":2}}';
  const bytes = [new Uint8Array([header.length, 0, 0, 0, 0, 0, 0, 0]), header, new Uint8Array(4)];
  await withFiles({ "a.safetensors": new Blob(bytes) }, async (directory) => {
    const path = `${directory}/a.safetensors`;
    assertEquals((await openWeights(path)).notices, [
      `${path}: tensor "x": scale (2) is not known here and was not used`,
    ]);
  });
});

Deno.test("planted: what the index says beyond its map, and what it leaves out, is told", async () => {
  const index = (also: object) =>
    JSON.stringify({
      metadata: { total_size: 8 },
      weight_map: { x: "1.safetensors", y: "2.safetensors" },
      ...also,
    });
  const shards = { "1.safetensors": fileOf(["x"]), "2.safetensors": fileOf(["y"]) };
  await withFiles({ ...shards, "i.json": index({}) }, async (directory) => {
    assertEquals((await openWeights(`${directory}/i.json`)).notices, []);
  });
  const more = { "1.safetensors": fileOf(["x", "z"]), "2.safetensors": fileOf(["u", "v", "y"]) };
  const text = index({ metadata: { total_size: 8, planted: 1 }, scale: 2 });
  await withFiles({ ...more, "i.json": text }, async (directory) => {
    const path = `${directory}/i.json`, weights = await openWeights(path);
    assertEquals(weights.notices, [
      `${path}: scale (2) is not known here and was not used`,
      `${path}: metadata: planted (1) is not known here and was not used`,
      `${directory}/1.safetensors: tensor "z" is not in ${path} and not used`,
      `${directory}/2.safetensors: tensor "u" and 1 others are not in ${path} and not used`,
    ]);
    assertEquals(weights.names().sort(), ["x", "y"]);
  });
  const twice = { ...shards, "2.safetensors": fileOf(["x", "y"]) };
  await withFiles({ ...twice, "i.json": index({}) }, async (directory) => {
    await assertRejects(
      () => openWeights(`${directory}/i.json`),
      CheckpointError,
      "1.safetensors and 2.safetensors",
    );
  });
  await withFiles(
    { ...shards, "i.json": index({ weight_map: { w: "1.safetensors" } }) },
    async (directory) => {
      await assertRejects(() => openWeights(`${directory}/i.json`), CheckpointError, "no shard holds it");
    },
  );
});
