/** Each setting of each format, packed by its makers' own package and held to what that package makes of it, bit for bit. */
import { assert, assertEquals } from "@std/assert";
import { fixture } from "../../base/fixture.ts";
import { sha256Hex } from "../../base/hash.ts";
import { writeNumbers } from "../../base/json.ts";
import { openCheckpoint } from "../../model/checkpoint/checkpoint.ts";
import { readSafetensors, writeSafetensors } from "../../model/safetensors.ts";
import { importCheckpoint } from "./import.ts";

interface Case {
  readonly module: string;
  readonly quantization_config: Record<string, unknown> | null;
  readonly sha256: string;
}

const folder = await fixture("foreign");
const cases: Record<string, Case> = JSON.parse(await Deno.readTextFile(`${folder}/settings.json`));
const tensors = await readSafetensors(`${folder}/settings.safetensors`);
const { config } = JSON.parse(await Deno.readTextFile(`${folder}/weights.json`));

/** Names by what is before the first dash: a format, or a version of one. */
const byFormat = Map.groupBy(Object.keys(cases), (name) => name.slice(0, name.indexOf("-")));

for (const [format, names] of byFormat) {
  Deno.test(`${format}: ${names.length} settings, its makers' own values`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      for (const name of names) {
        const { module, quantization_config, sha256 } = cases[name];
        const own = [...tensors].filter(([key]) => key.startsWith(`${name}|`));
        const parts = own.map(([key, value]) => [key.slice(name.length + 1), value] as const);
        await writeSafetensors(`${directory}/model.safetensors`, new Map(parts));
        const values = { ...config, ...quantization_config && { quantization_config } };
        await Deno.writeTextFile(`${directory}/config.json`, writeNumbers(values));
        const { checkpoint } = await importCheckpoint(await openCheckpoint(directory));
        assertEquals(checkpoint.names(), [`${module}.weight`], name);
        const read = await checkpoint.tensor(`${module}.weight`);
        assertEquals([checkpoint.shape(`${module}.weight`), sha256Hex(new Uint8Array(read.buffer))], [
          [32, 256],
          sha256,
        ], name);
        assertEquals(checkpoint.notices, [], name);
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

Deno.test("widths, groups, zero points, orders, output projections and OPT's layers are among them", () => {
  const all = Object.keys(cases).join(" ") + " ";
  const has = (pattern: RegExp) => assert(pattern.test(all), String(pattern));
  for (const bits of [2, 3, 4, 8]) {
    for (const size of ["32", "64", "128", "-1"]) {
      for (const kind of ["sym", "asym"]) {
        for (const format of ["gptq", "ct"]) has(new RegExp(`\\b${format}-w${bits}g${size}-${kind} `));
      }
    }
    for (const size of [32, 64, 128]) has(new RegExp(`\\bhqq-w${bits}g${size}-axis[01] `));
  }
  for (const size of [32, 64, 128]) has(new RegExp(`\\bawq-g${size}-asym `));
  for (const kind of ["nf4", "fp4"]) has(new RegExp(`\\b${kind}-b128-double `));
  for (const format of ["gptq", "gptq_v2", "awq", "nf4", "hqq", "ct"]) {
    has(new RegExp(`\\b${format}-\\S*-head `));
  }
  for (const format of ["gptq", "gptq_p", "awq", "fp4", "ct"]) has(new RegExp(`\\b${format}-\\S*-opt `));
  for (const format of ["gptq", "gptq_v2", "gptq_p"]) has(new RegExp(`\\b${format}-\\S*-act `));
});
