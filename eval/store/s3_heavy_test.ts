/**
 * Against moto, a server of the S3 protocol from PyPI (`pip install "moto[server]"`), on loopback. It answers one request
 * at a time: with threads its conditional writes look first and write later, where S3 does both at once.
 */
import { assertEquals, assertRejects } from "@std/assert";
import { pathOf } from "../../base/file.ts";
import { defaultDevice } from "../../kernels/default.ts";
import { CreateBucketCommand, HeadObjectCommand, S3Client } from "npm:@aws-sdk/client-s3@3.1169.0";
import { S3Store } from "./s3.ts";
import { openStore } from "../store.ts";
import { ResultsError } from "./contract.ts";
import { sweep } from "../sweep.ts";
import type { Row } from "../sweep/cell.ts";
import { mergeResults, sweepStatus } from "../sweep/merge.ts";
import { planSweeps } from "../sweep/plan.ts";
import { runShard } from "../sweep/run.ts";
import { parseShard } from "../sweep/shard.ts";
import { tinyProfile, tinySweep } from "../sweep/tiny_testing.ts";

const python = Deno.env.get("QUANTBOOK_MOTO_PYTHON") ?? "python3";
const serve = `
import sys
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)`;
const installed = await new Deno.Command(python, {
  args: ["-c", "import moto.moto_server.werkzeug_app"],
  stderr: "null",
}).output().then(({ success }) => success, () => false);
if (!installed) {
  console.log(
    `S3 tests are skipped: ${python} has no moto[server]; QUANTBOOK_MOTO_PYTHON names one that has`,
  );
}
const settings = { AWS_REGION: "us-east-1", AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };
const values = (rows: readonly Row[]) => rows.map(({ seconds: _, peakBytes: __, ...rest }) => rest);

/** A server with an empty bucket, as the environment of this process says. */
async function startServer(): Promise<AsyncDisposable> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = String(listener.addr.port);
  listener.close();
  const command = new Deno.Command(python, { args: ["-c", serve, port], stdout: "null", stderr: "null" });
  const server = command.spawn();
  for (const [name, value] of Object.entries(settings)) Deno.env.set(name, value);
  Deno.env.set("AWS_ENDPOINT_URL", `http://127.0.0.1:${port}`);
  while (!await Deno.connect({ port: +port }).then((one) => (one.close(), true), () => false)) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const client = new S3Client({ forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: "sweeps" }));
  client.destroy();
  return {
    [Symbol.asyncDispose]: async () => {
      for (const name of [...Object.keys(settings), "AWS_ENDPOINT_URL"]) Deno.env.delete(name);
      server.kill();
      await server.status;
    },
  };
}

const options = { ignore: !installed, sanitizeResources: false, sanitizeOps: false };

Deno.test("S3: values, names and claims", options, async () => {
  await using _server = await startServer();
  const store = await openStore("s3://sweeps/some/place");
  assertEquals([await store.read("a"), await store.list()], [undefined, []]);
  await store.write("a", { x: [1, 0.1] });
  await store.write("b.failed", null);
  assertEquals(await store.read("a"), { x: [1, 0.1] });
  assertEquals(await store.list(), ["a", "b.failed"]);
  assertEquals(await (await openStore("s3://sweeps")).list(), []);
  const first = await store.claim("a");
  const order: string[] = [];
  const second = store.claim("a").then((claim) => {
    order.push("second");
    return claim[Symbol.asyncDispose]();
  });
  await (await store.claim("b"))[Symbol.asyncDispose]();
  order.push("first");
  await first[Symbol.asyncDispose]();
  await second;
  assertEquals(order, ["first", "second"]);
  await store.remove("a");
  await store.remove("a");
  assertEquals(await store.list(), ["b.failed"]);
});

Deno.test(
  "S3: a claim whose holder was killed is taken over, one that is renewed is not",
  options,
  async () => {
    await using _server = await startServer();
    const script = `
    const { S3Store } = await import(${JSON.stringify(new URL("./s3.ts", import.meta.url).href)});
    await new S3Store("s3://sweeps", 5).claim("a");
    console.log("held");
    await new Promise(() => setInterval(() => {}, 1000));`;
    const config = pathOf(new URL("../../deno.json", import.meta.url));
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        `--config=${config}`,
        `data:text/typescript,${encodeURIComponent(script)}`,
      ],
      stdout: "piped",
    }).spawn();
    await child.stdout.getReader().read();
    const taken = new S3Store("s3://sweeps", 5).claim("a");
    // Each renewal gives the lease another tag.
    const client = new S3Client({ forcePathStyle: true });
    const tags = new Set<string>();
    while (tags.size < 4) {
      const { ETag = "" } = await client.send(new HeadObjectCommand({ Bucket: "sweeps", Key: ".a.lock" }));
      tags.add(ETag);
    }
    client.destroy();
    assertEquals(await Promise.race([taken, Promise.resolve("waiting")]), "waiting");
    child.kill("SIGKILL");
    await child.status;
    await (await taken)[Symbol.asyncDispose]();
  },
);

Deno.test("S3: two shards on one server give the rows of a serial run, bit for bit", options, async () => {
  await using _server = await startServer();
  const directory = await Deno.makeTempDir();
  try {
    const plan = await tinySweep(`${directory}/model`, 8);
    const manifest = await planSweeps([plan], (await defaultDevice()).name, tinyProfile);
    const results = "s3://sweeps/run";
    const measured: string[] = [];
    const onEvent = (event: string, { key }: { key: string }) => event === "measure" && measured.push(key);
    // The first shard runs twice at once.
    await Promise.all(
      ["0/2", "0/2", "1/2"].map((text) => runShard(manifest, { results, shard: parseShard(text), onEvent })),
    );
    assertEquals(measured.sort(), manifest.cells.map(({ key }) => key).sort());
    assertEquals((await sweepStatus(manifest, results)).done, 8);
    const { rows, missing } = await mergeResults(manifest, `${directory}/merged`, [results]);
    assertEquals(missing, []);
    assertEquals(values(rows), values(await sweep(plan.cells, { ...plan, results: null })));
    // The notebooks' own call reads the same store.
    assertEquals(values(await sweep(plan.cells, { ...plan, results, storedOnly: true })), values(rows));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a location that is no store is refused", async () => {
  for (const location of ["s3://", "s3://Bad_Bucket/x", "https://example.org/x", "s3:///x"]) {
    const error = await assertRejects(
      () => openStore(location),
      ResultsError,
      `store is "${location}": expected`,
    );
    assertEquals(error.code, "location");
  }
});
