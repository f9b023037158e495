/** One weight of each format, as the format's own tool stored it, bit for bit what that tool makes of it. */
import { assert, assertEquals } from "@std/assert";
import { fixture } from "../../base/fixture.ts";
import { writeNumbers } from "../../base/json.ts";
import { sha256Hex } from "../../base/hash.ts";
import { openCheckpoint } from "../../model/checkpoint/checkpoint.ts";
import { type RawTensor, readSafetensors, writeSafetensors } from "../../model/safetensors.ts";
import { QuantbookError } from "../../base/error.ts";
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

/** Numbers from 0 to below 1, the same at each run. */
function* random(seed: number): Generator<number> {
  for (let state = seed;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** Another shape of as many values, another type of as many bytes, other bytes, or no tensor. */
function damaged(tensor: RawTensor, draw: () => number): RawTensor | null {
  const { dtype, shape, data } = tensor, choice = Math.floor(draw() * 4);
  if (choice === 0) return null;
  if (choice === 1) return { dtype, shape: [...shape].reverse(), data };
  if (choice === 2) return { dtype, shape: [data.length], data };
  const bytes = new Uint8Array(data.slice().buffer);
  for (let i = 0; i < 8; i++) bytes[Math.floor(draw() * bytes.length)] = Math.floor(draw() * 256);
  return { dtype, shape, data: Reflect.construct(data.constructor, [bytes.buffer]) };
}

const oddities = [null, -1, 0, 3, 1e9, "odd", true, [], {}, ["re:("]];

/** One field of the settings, at any depth, replaced. */
function changed(value: unknown, draw: () => number): unknown {
  if (typeof value !== "object" || value === null || draw() < 0.2) {
    return oddities[Math.floor(draw() * oddities.length)];
  }
  const entries = Object.entries(value), at = Math.floor(draw() * entries.length);
  if (entries.length === 0) return oddities[3];
  const [key, own] = entries[at];
  return Array.isArray(value)
    ? value.map((one, i) => i === at ? changed(one, draw) : one)
    : { ...value, [key]: changed(own, draw) };
}

Deno.test("damaged tensors and settings are refused by a typed error, or read: nothing else happens", async () => {
  const numbers = random(1), draw = () => numbers.next().value as number;
  const directory = await Deno.makeTempDir();
  try {
    let refused = 0;
    for (const [name, { quantization_config, metadata }] of Object.entries(checkpoints)) {
      for (let round = 0; round < 12; round++) {
        const own = new Map<string, RawTensor>();
        const hurt = round % 2 === 0 ? Math.floor(draw() * 3) : -1;
        for (const [key, value] of [...tensors].filter(([key]) => key.startsWith(`${name}|`))) {
          const tensor = own.size === hurt ? damaged(value, draw) : value;
          if (tensor !== null) own.set(key.slice(name.length + 1), tensor);
        }
        const settings = hurt < 0 ? changed(quantization_config, draw) : quantization_config;
        await writeSafetensors(`${directory}/model.safetensors`, own, new Map(Object.entries(metadata)));
        const values = { ...config, ...settings === null ? {} : { quantization_config: settings } };
        await Deno.writeTextFile(`${directory}/config.json`, writeNumbers(values));
        try {
          const { checkpoint } = await importCheckpoint(await openCheckpoint(directory));
          for (const one of checkpoint.names()) await checkpoint.tensor(one);
        } catch (error) {
          assert(
            error instanceof QuantbookError,
            `${name}: ${JSON.stringify(settings)}: ${error}\n${(error as Error).stack}`,
          );
          refused++;
        }
      }
    }
    assert(refused > 60, `only ${refused} were refused`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
