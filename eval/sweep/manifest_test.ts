/** Manifests, failures, conflicts: what happens when something is not as it should be. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { defaultDevice } from "../../kernels/default.ts";
import { rtn } from "../../quant/methods/rtn.ts";
import { openStore } from "../store.ts";
import { ResultsError } from "../store/contract.ts";
import { sweep } from "../sweep.ts";
import { formatManifest, parseManifest, SweepError } from "./manifest.ts";
import { mergeResults, sweepStatus } from "./merge.ts";
import { planSweeps } from "./plan.ts";
import { runShard } from "./run.ts";
import { parseShard } from "./shard.ts";
import { tinyProfile, tinySweep } from "./tiny_testing.ts";

const directory = await Deno.makeTempDir();
addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
const plan = await tinySweep(`${directory}/model`, 6);
// Planned for the device that these tests run on.
const { name: device } = await defaultDevice();
const manifest = await planSweeps([plan], device, tinyProfile);
const text = formatManifest(manifest);

Deno.test("a manifest reads back as it was written, and planning twice gives the same", async () => {
  assertEquals(parseManifest(text), manifest);
  assertEquals(formatManifest(await planSweeps([plan, plan], device, tinyProfile)), text);
});

Deno.test("a manifest that was changed is refused, naming the line", () => {
  const lines = text.trimEnd().split("\n");
  const replaced = (index: number, line: string) => lines.with(index, line).join("\n");
  const cell = JSON.parse(lines[3]);
  const bad: [string, string][] = [
    ["", "the manifest is empty"],
    [replaced(0, "{}"), "line 1: code is undefined"],
    [replaced(1, lines[1].replace(/\[\[\d+/, "[[1999")), "line 2: the windows are not those of hash"],
    [replaced(1, `{"tokens":"x","windows":[[-1]]}`), "line 2: windows must be lists of token ids"],
    [replaced(3, "{"), "line 4 is not JSON"],
    [replaced(3, "[]"), "line 4 is no object"],
    [replaced(3, lines[4]), "line 5: a second cell with key"],
    [replaced(3, JSON.stringify({ ...cell, key: "../../x" })), "line 4: key is"],
    [
      replaced(3, JSON.stringify({ ...cell, windows: "x" })),
      "line 4: no line above has the tokens x (windows)",
    ],
    [replaced(3, JSON.stringify({ ...cell, scheme: { weights: { method: "rtn", bits: 99 } } })), "line 4: "],
    [replaced(3, JSON.stringify({ ...cell, execution: "fast" })), `line 4: execution is "fast"`],
    [
      replaced(3, JSON.stringify({ ...cell, predicted: { seconds: 0, bytes: 1 } })),
      "line 4: predicted must have",
    ],
  ];
  for (const [changed, message] of bad) {
    const error = assertThrows(() => parseManifest(changed), SweepError, message);
    assertEquals(error.code, "format");
  }
});

Deno.test("a manifest of other code, another device or another model is not run", async () => {
  const results = `${directory}/changed`;
  const other = "0".repeat(64);
  for (
    const changed of [{ code: other }, { device: "abacus" }, {
      cells: [{ ...manifest.cells[0], key: other }],
    }]
  ) {
    const error = await assertRejects(
      () => runShard({ ...manifest, ...changed }, { results }),
      SweepError,
      "planned with",
    );
    assertEquals(error.code, "changed");
  }
  assertEquals((await sweepStatus(manifest, results)).done, 0);
});

Deno.test("a cell that fails stops no other, is shown with its error, and is tried again", async () => {
  const results = `${directory}/failing`;
  const impossible = {
    ...plan.cells[0],
    label: "no such groups",
    scheme: { weights: rtn({ bits: 4, groupSize: 96 }) },
  };
  const failing = await planSweeps(
    [{ ...plan, cells: [impossible, ...plan.cells.slice(0, 2)] }],
    device,
    tinyProfile,
  );
  const first = await runShard(failing, { results });
  assertEquals(first.map(({ label }) => label), ["no such groups"]);
  const status = await sweepStatus(failing, results);
  assertEquals([status.done, status.waiting, status.failed.length], [2, 0, 1]);
  assertEquals(status.failed[0].failure.code, "shape");
  assert(status.failed[0].failure.message.includes("groupSize 96 does not divide 256"));
  const events: string[] = [];
  await runShard(failing, { results, onEvent: (event, { label }) => events.push(`${event} ${label}`) });
  assertEquals(events.slice(0, 2), ["measure no such groups", "failed no such groups"]);
  assertEquals(events.filter((event) => event.startsWith("measure")).length, 1);
});

Deno.test("shards in stores of their own merge to the rows of one sweep; a contradiction is refused", async () => {
  const stores = [0, 1].map((i) => `${directory}/shard${i}`), into = `${directory}/merged`;
  await runShard(manifest, { results: stores[0], shard: parseShard("0/2") });
  assertEquals((await mergeResults(manifest, into, stores)).missing.length, 3);
  await runShard(manifest, { results: stores[1], shard: parseShard("1/2") });
  const { rows, missing } = await mergeResults(manifest, into, stores);
  assertEquals(missing, []);
  const expected = await sweep(plan.cells, { ...plan, results: null });
  assertEquals(rows.map(({ perplexity }) => perplexity), expected.map(({ perplexity }) => perplexity));
  const status = await sweepStatus(manifest, into);
  assertEquals([status.done, status.seconds.left], [6, 0]);

  const { key } = manifest.cells[1];
  const store = await openStore(stores[1]);
  await store.write(key, { ...rows[1], seconds: { quantize: 1, evaluate: 1 }, device: "another" });
  await mergeResults(manifest, into, stores);
  await store.write(key, { ...rows[1], perplexity: { ...rows[1].perplexity, value: 1 } });
  const error = await assertRejects(
    () => mergeResults(manifest, into, stores),
    ResultsError,
    `perplexity differs between ${into} and ${stores[1]}`,
  );
  assertEquals(error.code, "conflict");
  await store.write(key, { key });
  await assertRejects(() => mergeResults(manifest, into, stores), ResultsError, "is no row");
});

Deno.test("a store that holds all rows is enough; one that lacks a row says so", async () => {
  const results = `${directory}/complete`;
  await runShard(manifest, { results });
  const { length } = await (await openStore(results)).list();
  assertEquals(length, 6);
  const rows = await sweep(plan.cells, { ...plan, results, storedOnly: true });
  assertEquals(rows.map(({ key }) => key), manifest.cells.map(({ key }) => key));
  await (await openStore(results)).remove(rows[2].key);
  const error = await assertRejects(
    () => sweep(plan.cells, { ...plan, results, storedOnly: true }),
    ResultsError,
    `no result ${rows[2].key}`,
  );
  assertEquals(error.code, "missing");
});

Deno.test("claims exclude each other, and what was removed is not there", async () => {
  const store = await openStore(`${directory}/claims`);
  const order: string[] = [];
  const first = await store.claim("a");
  const second = store.claim("a").then(async (claim) => {
    order.push("second");
    await claim[Symbol.asyncDispose]();
  });
  await (await store.claim("b"))[Symbol.asyncDispose]();
  order.push("first");
  await store.write("a", 1);
  await first[Symbol.asyncDispose]();
  await second;
  assertEquals(order, ["first", "second"]);
  assertEquals(await store.list(), ["a"]);
  await store.remove("a");
  await store.remove("a");
  assertEquals([await store.read("a"), await store.list()], [undefined, []]);
  assertThrows(() => parseShard("x"), SweepError);
});
