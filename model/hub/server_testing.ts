/** A server on the loopback interface that answers as the hub does, and fails on request. For tests. */
import { createHash } from "node:crypto";

/** What goes wrong with the next answer to a path that contains `path`. */
export interface Fault {
  /** Part of the path. */
  readonly path: string;
  /** Another status, the body cut after so many bytes, other bytes, bytes too many, or an answer to every request. */
  readonly kind: { status: number } | { cut: number } | "corrupt" | "long" | "garbage" | { redirect: string };
  /** How often (default 1). */
  times?: number;
}

/** A hub with one model or data set. */
export interface FakeHub extends AsyncDisposable {
  /** Address. */
  readonly endpoint: string;
  /** Requests so far: method, path and range. */
  readonly requests: string[];
  /** Faults to come. */
  readonly faults: Fault[];
  /** Authorization headers seen. */
  readonly tokens: (string | null)[];
}

/** The commit of every revision that it has. */
export const commit = "0123456789abcdef0123456789abcdef01234567";

/** Starts a hub that has the files of `directory` as model `name`, or other files as a data set. */
export async function fakeHub(
  name: string,
  source: string | ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
): Promise<FakeHub> {
  const files = new Map(typeof source === "string" ? [] : source);
  if (typeof source === "string") {
    for await (const entry of Deno.readDir(source)) {
      if (entry.isFile) files.set(entry.name, await Deno.readFile(`${source}/${entry.name}`));
    }
  }
  const api = `/api/${typeof source === "string" ? "models" : "datasets"}/${name}`;
  const revision = typeof source === "string" ? "main" : encodeURIComponent("refs/convert/parquet");
  const requests: string[] = [], faults: Fault[] = [], tokens: (string | null)[] = [];
  const hash = (kind: string, ...parts: (string | Uint8Array)[]) => {
    const digest = createHash(kind);
    for (const part of parts) digest.update(part);
    return digest.digest("hex");
  };
  const tree = [...files].map(([path, bytes]) => ({
    type: "file",
    path,
    size: bytes.length,
    oid: hash("sha1", `blob ${bytes.length}\0`, bytes),
    ...(/\.(safetensors|parquet)$/.test(path)
      ? { lfs: { oid: hash("sha256", bytes), size: bytes.length, pointerSize: 134 } }
      : {}),
  }));

  function answer(request: Request): Response {
    const { pathname } = new URL(request.url), range = request.headers.get("range");
    requests.push(`${request.method} ${pathname}${range ? ` ${range}` : ""}`);
    tokens.push(request.headers.get("authorization"));
    const fault = faults.find((one) => pathname.includes(one.path));
    if (fault !== undefined) {
      fault.times = (fault.times ?? 1) - 1;
      if (fault.times === 0) faults.splice(faults.indexOf(fault), 1);
    }
    const kind = fault?.kind;
    if (typeof kind === "object" && "status" in kind) {
      return new Response("no", { status: kind.status, headers: { "retry-after": "0.01" } });
    }
    if (typeof kind === "object" && "redirect" in kind) {
      return new Response(null, { status: 302, headers: { location: kind.redirect + pathname } });
    }
    if (kind === "garbage") return new Response("<html>not a hub</html>");
    if (pathname === `${api}/revision/${revision}`) {
      return Response.json({
        _id: "1",
        id: name,
        sha: commit,
        private: false,
        downloads: 1,
        likes: 0,
        gated: false,
      });
    }
    const listed = pathname.match(/\/tree\/[^/]+(\/.+)?$/);
    if (pathname.startsWith(api) && listed !== null) {
      const folder = listed[1] === undefined ? "" : `${listed[1].slice(1)}/`;
      const inside = tree.filter(({ path }) => path.startsWith(folder));
      return inside.length > 0 ? Response.json(inside) : new Response("not found", { status: 404 });
    }
    const path = pathname.match(/\/resolve\/[^/]+\/(.+)$/)?.[1] ?? "";
    const bytes = pathname.startsWith(`${api.replace(/^\/api(\/models)?/, "")}/`)
      ? files.get(path)
      : undefined;
    if (bytes === undefined) return new Response("not found", { status: 404 });
    return body(bytes, Number(range?.match(/^bytes=(\d+)-$/)?.[1] ?? 0), kind);
  }

  const server = Deno.serve({
    port: 0,
    hostname: "127.0.0.1",
    onListen() {},
    onError: () => new Response("error", { status: 500 }),
  }, answer);
  return {
    endpoint: `http://127.0.0.1:${server.addr.port}`,
    requests,
    faults,
    tokens,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
    },
  };
}

/** A body from a byte on, with its fault. */
function body(bytes: Uint8Array<ArrayBuffer>, from: number, kind: Fault["kind"] | undefined): Response {
  let part = bytes.slice(from);
  const status = from > 0 ? 206 : 200;
  if (kind === "corrupt") part[part.length >> 1] ^= 1;
  if (kind === "long") part = new Uint8Array([...part, 0]);
  if (typeof kind !== "object" || !("cut" in kind)) return new Response(part, { status });
  const { cut } = kind;
  return new Response(
    new ReadableStream({
      async start(controller) {
        controller.enqueue(part.subarray(0, cut));
        // The first bytes shall arrive before the connection ends.
        await new Promise((resolve) => setTimeout(resolve, 50));
        controller.error(new Error("cut"));
      },
    }),
    { status, headers: { "content-length": String(part.length) } },
  );
}

const settings = ["HF_ENDPOINT", "HF_HOME", "HF_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE"];

/**
 * Runs with the environment of a hub and of a fresh cache. A process has one environment: test files that run side by
 * side in it take turns.
 */
export async function withHubEnvironment(
  endpoint: string,
  run: (cache: string) => Promise<void>,
): Promise<void> {
  const cache = await Deno.makeTempDir();
  using turn = await Deno.open(`${cache}/../quantbook-hub-${Deno.pid}`, { create: true, write: true });
  await turn.lock(true);
  const before = settings.map((key) => [key, Deno.env.get(key)] as const);
  for (const key of settings) Deno.env.delete(key);
  try {
    Deno.env.set("HF_ENDPOINT", endpoint);
    Deno.env.set("HF_HOME", cache);
    await run(`${cache}/hub`);
  } finally {
    for (const [key, value] of before) value === undefined ? Deno.env.delete(key) : Deno.env.set(key, value);
    await Deno.remove(cache, { recursive: true });
  }
}
