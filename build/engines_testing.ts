/** The browsers that Debian packages, each started with an address; pages post what they found to the server that gave them. */

/** A browser, and how it is started. */
export interface Engine {
  readonly name: string;
  /** Its programs; a test is skipped where one is missing. */
  readonly needs: readonly string[];
  readonly command: (url: string, profile: string) => readonly string[];
}

const miniBrowser = "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser";

/** Blink, Gecko and WebKit. */
export const engines: readonly Engine[] = [
  {
    name: "Chromium",
    needs: ["/usr/bin/chromium"],
    command: (url, profile) => [
      "/usr/bin/chromium",
      ...["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
      ...[`--user-data-dir=${profile}`, url],
    ],
  },
  {
    name: "Firefox",
    needs: ["/usr/bin/firefox-esr"],
    command: (
      url,
      profile,
    ) => ["/usr/bin/firefox-esr", "--headless", "--no-remote", "--profile", profile, url],
  },
  {
    name: "WebKit",
    needs: [miniBrowser, "/usr/bin/xvfb-run"],
    command: (url) => ["/usr/bin/xvfb-run", "-a", miniBrowser, url],
  },
];

/** What of an engine is missing here, or null. */
export async function missingOf({ needs }: Engine): Promise<string | null> {
  for (const path of needs) if (!await Deno.stat(path).catch(() => null)) return path;
  return null;
}

/** A file of a server: its type and its bytes. */
export type Served = readonly [type: string, bytes: Uint8Array<ArrayBuffer> | string];

/** What a page posted, and what the engine asked for on the way. */
export interface Visit {
  readonly result: unknown;
  /** Paths in the order of requests, and the bytes that were sent for each. */
  readonly requests: readonly (readonly [path: string, bytes: number])[];
  readonly milliseconds: number;
}

/**
 * Opens `path` of a server of our own in an engine and waits for what the page posts to `/result`. `serve` gives a file, or null.
 *
 * @throws when nothing is posted within `seconds`
 */
export async function visit(
  engine: Engine,
  path: string,
  serve: (path: string) => Served | null | Promise<Served | null>,
  { seconds = 120, headers = {} }: { readonly seconds?: number; readonly headers?: Record<string, string> } =
    {},
): Promise<Visit> {
  const posted = Promise.withResolvers<unknown>(), requests: [string, number][] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const asked = request.url.replace(/^https?:\/\/[^/]+|[?#].*$/g, "");
    if (request.method === "POST") {
      posted.resolve(await request.json());
      return new Response("");
    }
    const found = await serve(asked);
    requests.push([asked, found?.[1].length ?? 0]);
    if (found === null) return new Response("", { status: 404 });
    return new Response(found[1], { headers: { "content-type": found[0], ...headers } });
  });
  const profile = await Deno.makeTempDir({ prefix: "quantbook-engine-" });
  const begun = performance.now();
  const [program, ...args] = engine.command(`http://127.0.0.1:${server.addr.port}${path}`, profile);
  // Detached, it leads a group of its own, so that the helpers of the browser end with it.
  const child = new Deno.Command(program, {
    args,
    env: { HOME: profile, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${engine.name}: nothing posted within ${seconds} s`)),
        seconds * 1000,
      );
    });
    const result = await Promise.race([posted.promise, late]);
    return { result, requests, milliseconds: performance.now() - begun };
  } finally {
    clearTimeout(timer);
    try {
      Deno.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await child.status;
    await server.shutdown();
    await Deno.remove(profile, { recursive: true }).catch(() => {});
  }
}
