/** The outlier variants must be, byte for byte, the files that the oracle ran on. */
import { assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import { type Checkpoint, openCheckpoint } from "./checkpoint.ts";
import { CheckpointError } from "../files/error.ts";
import { type OutlierMove, readOutliers, withOutliers } from "./outliers.ts";
import { encodeSafetensors, type RawTensor } from "../safetensors.ts";

/** SHA-256 of the float16 file that holds a checkpoint's tensors. */
async function fileHash(checkpoint: Checkpoint): Promise<string> {
  const tensors = new Map<string, RawTensor>();
  for (const name of checkpoint.names()) {
    tensors.set(name, { dtype: "F16", shape: checkpoint.shape(name), data: await checkpoint.tensor(name) });
  }
  const hash = createHash("sha256");
  for (const part of encodeSafetensors(tensors, new Map([["format", "pt"]]))) hash.update(part);
  return hash.digest("hex");
}

for (const name of ["llama", "opt"]) {
  Deno.test(`the outlier variant of ${name} is the original file`, async () => {
    const folder = `fixtures/models/${name}-outlier`;
    const plain = await openCheckpoint(`fixtures/models/${name}`);
    const moved = withOutliers(plain, await readOutliers(`${folder}/outliers.json`));
    assertEquals(await fileHash(moved), (await Deno.readTextFile(`${folder}/model.sha256`)).trim());
    assertNotEquals(await moved.sha256(), await plain.sha256());
  });
}

Deno.test("rows read one by one are the rows of the whole tensor", async () => {
  const plain = await openCheckpoint("fixtures/models/llama");
  const moved = withOutliers(plain, await readOutliers("fixtures/models/llama-outlier/outliers.json"));
  // The up projection has moved rows (down_input) and moved columns (mlp_input).
  const name = "model.layers.1.mlp.up_proj.weight";
  const whole = await moved.tensor(name);
  assertNotEquals(whole, await plain.tensor(name));
  for (const [start, count] of [[0, 512], [17, 100], [443, 3]]) {
    const rows = await moved.tensorRows(name, start, count);
    assertEquals(rows, whole.slice(start * 256, (start + count) * 256));
  }
});

Deno.test("moves out of range or of another family are refused", async () => {
  const llama = await openCheckpoint("fixtures/models/llama");
  const opt = await openCheckpoint("fixtures/models/opt");
  const move: OutlierMove = { layer: 0, site: "mlp_input", channel: 3, factor: 4 };
  const cases: [checkpoint: Checkpoint, change: Partial<OutlierMove>, code: string][] = [
    [llama, { channel: 256 }, "outliers"],
    [llama, { layer: 4 }, "tensor"],
    [llama, { site: "key", head: 2 }, "outliers"],
    [llama, { site: "key", head: 1, channel: 64 }, "outliers"],
    [opt, { site: "down_input" }, "outliers"],
  ];
  for (const [checkpoint, change, code] of cases) {
    const error = assertThrows(() => withOutliers(checkpoint, [{ ...move, ...change }]), CheckpointError);
    assertEquals(error.code, code, error.message);
  }
});

Deno.test("malformed lists of moves are refused", async () => {
  const path = await Deno.makeTempFile({ suffix: ".json" });
  const move = { layer: 0, site: "key", head: 0, channel: 3, factor: 4 };
  try {
    await Deno.writeTextFile(path, JSON.stringify([move]));
    assertEquals(await readOutliers(path), [move] as OutlierMove[]);
    for (
      const [bad, named] of [
        [{ ...move, factor: 3 }, "factor"],
        [{ ...move, factor: 0 }, "factor"],
        [{ ...move, factor: "4" }, "factor"],
        [{ ...move, site: "query" }, "site"],
        [{ ...move, layer: -1 }, "layer"],
        [{ ...move, channel: 1.5 }, "channel"],
        [{ ...move, head: undefined }, "head"],
        [7, "object"],
      ] as const
    ) {
      await Deno.writeTextFile(path, JSON.stringify([move, bad]));
      const error = await assertRejects(() => readOutliers(path), CheckpointError, named);
      assertEquals([error.code, error.message.includes("move 1")], ["outliers", true]);
    }
    await Deno.writeTextFile(path, "{}");
    await assertRejects(() => readOutliers(path), CheckpointError, "list of moves");
  } finally {
    await Deno.remove(path);
  }
  await assertRejects(() => readOutliers("fixtures/none.json"), CheckpointError, "no such file");
});
