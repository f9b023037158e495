/** A server on the loopback interface that answers as the hub does, and fails on request. For tests. */
import { createHash } from "node:crypto";

/** What goes wrong with the next answer to a path that contains `path`. */
export interface Fault {
  /** Part of the path. */
  readonly path: string;
  /**
   * Another status with a code in the header, the body cut or silent after so many bytes, a pause after each piece of it, other
   * bytes, bytes too many, the range ignored, another one given, or not said, or under status 200, no answer, an answer to every request, or one elsewhere.
   */
  readonly kind:
    | { readonly status: number; readonly code?: string }
    | { readonly cut: number }
    | { readonly silent: number }
    | { readonly slow: number }
    | { readonly redirect: string }
    | "corrupt"
    | "long"
    | "whole"
    | "shifted"
    | "early"
    | "unsaid"
    | "range200"
    | "silence"
    | "garbage";
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
  /** The commit that every revision is. */
  head: string;
  /** The revisions that it has. */
  readonly revisions: Set<string>;
}

/** The commit that every revision is at first. */
export const commit = "0123456789abcdef0123456789abcdef01234567";

/** Starts a hub that has the files of `directory` as model `name`, or other files as a data set. */
export async function fakeHub(
  name: string,
  source: string | ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
): Promise<FakeHub> {
  const files = new Map(typeof source === "string" ? [] : source);
  if (typeof source === "string") {
    const read = async (folder: string) => {
      for await (const { name, isDirectory } of Deno.readDir(`${source}/${folder}`)) {
        if (isDirectory) await read(`${folder}${name}/`);
        else files.set(folder + name, await Deno.readFile(`${source}/${folder}${name}`));
      }
    };
    await read("");
  }
  const api = `/api/${typeof source === "string" ? "models" : "datasets"}/${name}`;
  const revision = typeof source === "string" ? "main" : "refs/convert/parquet";
  const requests: string[] = [], faults: Fault[] = [], tokens: (string | null)[] = [];
  const silent: (() => void)[] = [];
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

  function answer(request: Request): Response | Promise<Response> {
    // Mirrors may lie under a path.
    const asked = new URL(request.url).pathname.replace(/^\/mirror\/hf\//, "/"),
      range = request.headers.get("range");
    requests.push(`${request.method} ${asked}${range ? ` ${range}` : ""}`);
    tokens.push(request.headers.get("authorization"));
    const fault = faults.find((one) => asked.includes(one.path));
    if (fault !== undefined) {
      fault.times = (fault.times ?? 1) - 1;
      if (fault.times === 0) faults.splice(faults.indexOf(fault), 1);
    }
    const kind = fault?.kind;
    if (typeof kind === "object" && "status" in kind) {
      const code: HeadersInit = kind.code ? { "x-error-code": kind.code } : {};
      return new Response("no", { status: kind.status, headers: { "retry-after": "0.01", ...code } });
    }
    if (typeof kind === "object" && "redirect" in kind) {
      return new Response(null, { status: 302, headers: { location: kind.redirect + asked } });
    }
    if (kind === "silence") return new Promise((resolve) => silent.push(() => resolve(new Response("late"))));
    if (kind === "garbage") return new Response("<html>not a hub</html>");
    const named = asked.startsWith(`${api}/revision/`) ? asked.slice(`${api}/revision/`.length) : "";
    // A slash in a name is escaped: it parts no names here.
    if (!named.includes("/") && (hub.revisions.has(decodeURIComponent(named)) || named === hub.head)) {
      return Response.json({
        _id: "1",
        id: name,
        sha: hub.head,
        private: false,
        downloads: 1,
        likes: 0,
        gated: false,
      });
    }
    const listed = asked.match(/\/tree\/[^/]+(\/.+)?$/);
    if (asked.startsWith(api) && listed !== null) {
      const folder = listed[1] === undefined ? "" : `${listed[1].slice(1)}/`;
      const inside = tree.filter(({ path }) => path.startsWith(folder));
      return inside.length > 0 ? Response.json(inside) : new Response("not found", { status: 404 });
    }
    const path = asked.match(/\/resolve\/[^/]+\/(.+)$/)?.[1] ?? "";
    const bytes = asked.startsWith(`${api.replace(/^\/api(\/models)?/, "")}/`) ? files.get(path) : undefined;
    if (bytes === undefined) return new Response("not found", { status: 404 });
    const { oid, lfs } = tree.find((one) => one.path === path) ?? { oid: "" };
    const about = { "x-repo-commit": hub.head, etag: `"${lfs?.oid ?? oid}"`, "accept-ranges": "bytes" };
    if (request.method === "HEAD") {
      return new Response(null, { headers: { ...about, "content-length": String(bytes.length) } });
    }
    const from = kind === "whole" ? 0 : Number(range?.match(/^bytes=(\d+)-$/)?.[1] ?? 0);
    if (from > 0 && from >= bytes.length) return new Response(null, { status: 416 });
    return body(bytes, from, kind, about);
  }

  const server = Deno.serve({
    port: 0,
    hostname: "127.0.0.1",
    onListen() {},
    onError: () => new Response("error", { status: 500 }),
  }, answer);
  const hub: FakeHub = {
    head: commit,
    revisions: new Set([revision]),
    endpoint: `http://127.0.0.1:${server.addr.port}`,
    requests,
    faults,
    tokens,
    async [Symbol.asyncDispose]() {
      for (const answer of silent) answer();
      await server.shutdown();
    },
  };
  return hub;
}

/** A body from a byte on, with its fault. */
function body(
  bytes: Uint8Array<ArrayBuffer>,
  from: number,
  kind: Fault["kind"] | undefined,
  about: Record<string, string>,
): Response {
  const first = Math.max(0, from + (kind === "shifted" ? 1 : kind === "early" ? -100 : 0));
  let part = bytes.slice(first);
  const status = from > 0 && kind !== "range200" ? 206 : 200, end = bytes.length;
  const range: HeadersInit = from > 0 && kind !== "unsaid"
    ? { "content-range": `bytes ${first}-${end - 1}/${end}` }
    : {};
  const headers = { ...about, ...range };
  if (kind === "corrupt") part[part.length >> 1] ^= 1;
  if (kind === "long") part = new Uint8Array([...part, 0]);
  const length = { "content-length": String(part.length) };
  if (typeof kind !== "object" || "status" in kind || "redirect" in kind) {
    return new Response(part, { status, headers });
  }
  return new Response(
    new ReadableStream({
      async start(controller) {
        if ("slow" in kind) {
          const step = Math.ceil(part.length / 10);
          for (let at = 0; at < part.length; at += step) {
            controller.enqueue(part.subarray(at, at + step));
            await new Promise((resolve) => setTimeout(resolve, kind.slow));
          }
          return controller.close();
        }
        controller.enqueue(part.subarray(0, "cut" in kind ? kind.cut : kind.silent));
        // The first bytes shall arrive before the connection ends.
        await new Promise((resolve) => setTimeout(resolve, "cut" in kind ? 50 : 2000));
        if ("cut" in kind) controller.error(new Error("cut"));
        else controller.close();
      },
    }),
    { status, headers: { ...headers, ...length } },
  );
}

const settings = [
  "HF_ENDPOINT",
  "HF_HOME",
  "HF_HUB_CACHE",
  "HUGGINGFACE_HUB_CACHE",
  "XDG_CACHE_HOME",
  "HF_TOKEN",
  "HUGGING_FACE_HUB_TOKEN",
  "HF_TOKEN_PATH",
  "HF_HUB_DISABLE_IMPLICIT_TOKEN",
  "HF_HUB_DISABLE_SYMLINKS",
  "HF_HUB_ETAG_TIMEOUT",
  "HF_HUB_DOWNLOAD_TIMEOUT",
  "HF_HUB_OFFLINE",
  "TRANSFORMERS_OFFLINE",
];

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
