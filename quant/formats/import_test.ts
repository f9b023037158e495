/** One weight of each format, as the format's own tool stored it, bit for bit what that tool makes of it. */
import { assert, assertEquals } from "@std/assert";
import { fixture } from "../../base/fixture.ts";
import { writeNumbers } from "../../base/json.ts";
import { sha256Hex } from "../../base/hash.ts";
import { openCheckpoint } from "../../model/checkpoint/checkpoint.ts";
import { readSafetensors, writeSafetensors } from "../../model/safetensors.ts";
import { importCheckpoint } from "./import.ts";

const folder = await fixture("foreign");
const { config, checkpoints }: {
  config: Record<string, unknown>;
  checkpoints: Record<
    string,
    { quantization_config: unknown; metadata: Record<string, string>; sha256: string }
  >;
} = JSON.parse(await Deno.readTextFile(`${folder}/weights.json`));
const tensors = await readSafetensors(`${folder}/weights.safetensors`);

for (const [name, { quantization_config, metadata, sha256 }] of Object.entries(checkpoints)) {
  Deno.test(`${name}: its tool's own values`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      const own = [...tensors].filter(([key]) => key.startsWith(`${name}|`));
      const named = own.map(([key, value]) => [key.slice(name.length + 1), value] as const);
      await writeSafetensors(
        `${directory}/model.safetensors`,
        new Map(named),
        new Map(Object.entries(metadata)),
      );
      const values = { ...config, ...quantization_config === null ? {} : { quantization_config } };
      await Deno.writeTextFile(`${directory}/config.json`, writeNumbers(values));
      const { checkpoint } = await importCheckpoint(await openCheckpoint(directory));
      const weight = "model.layers.0.self_attn.k_proj.weight";
      assertEquals(checkpoint.names(), [weight]);
      assertEquals(checkpoint.shape(weight), [64, 128]);
      const read = await checkpoint.tensor(weight);
      assertEquals(sha256Hex(new Uint8Array(read.buffer)), sha256);
      const stored = checkpoint.stored?.(weight);
      assert(stored !== undefined && checkpoint.scheme !== undefined);
      assertEquals(await checkpoint.tensorRows(weight, 3, 2), read.slice(3 * 128, 5 * 128));
      assert(checkpoint.storage(weight).bytes > 0 && stored.byteLength > 0);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}
