/** A headless Chromium of our own, driven over the DevTools protocol: enough to open pages, ask them and picture them. */
import { QuantbookError } from "../../base/error.ts";
import { type JsonObject, objectAt, own, stringAt } from "./json.ts";

/** The browser did not start, or a page did not do what was asked. */
export class BrowserError extends QuantbookError {}

/** A page as a reader's screen shows it. */
export interface Screen {
  readonly width: number;
  readonly height: number;
  readonly theme: "light" | "dark";
}

/** An event that a page sent, such as `Runtime.consoleAPICalled`. */
export interface PageEvent {
  readonly method: string;
  readonly params: JsonObject;
}

// No background service of the browser may talk to the network: the only requests are those of the pages.
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--hide-scrollbars",
  "--remote-debugging-port=0",
];

/** Where Debian's package puts Chromium. */
export const CHROMIUM = "/usr/bin/chromium";

/** A running browser with a page, and more as tabs. Dispose of it with `await using`. */
export class Browser implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #profile: string;
  readonly #pending = new Map<number, PromiseWithResolvers<JsonObject>>();
  readonly #listeners = new Set<(event: PageEvent) => void>();
  #socket?: WebSocket;
  #session = "";
  #count = 0;

  private constructor(process: Deno.ChildProcess, profile: string) {
    this.#process = process;
    this.#profile = profile;
  }

  /** Starts Chromium with an empty profile, and flags of its own. */
  static async start(executable = CHROMIUM, flags: readonly string[] = []): Promise<Browser> {
    const profile = await Deno.makeTempDir({ prefix: "quantbook-chromium-" });
    const args = [...FLAGS, ...flags, `--user-data-dir=${profile}`, "about:blank"];
    const process = new Deno.Command(executable, { args, stdin: "null", stdout: "null", stderr: "piped" })
      .spawn();
    const browser = new Browser(process, profile);
    try {
      await browser.#connect(await debuggerAddress(process));
      return browser;
    } catch (error) {
      await browser[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Hears the page's events until the returned function is called. */
  listen(listener: (event: PageEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Opens a page and waits until it is loaded. */
  async open(url: string, { width, height, theme }: Screen): Promise<void> {
    await this.send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: false,
    });
    await this.send("Emulation.setEmulatedMedia", {
      features: [{ name: "prefers-color-scheme", value: theme }],
    });
    const loaded = Promise.withResolvers<void>();
    const stop = this.listen(({ method }) => method === "Page.loadEventFired" && loaded.resolve());
    await this.send("Page.navigate", { url });
    await loaded.promise.finally(stop);
  }

  /** The value of an expression in the page, as JSON. */
  async evaluate(expression: string): Promise<unknown> {
    const reply = await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    const failure = own(reply, "exceptionDetails");
    if (failure !== undefined) throw new BrowserError("script", `The page threw: ${Deno.inspect(failure)}`);
    return objectAt(reply, "result").value;
  }

  /** A PNG of the page: of its whole height, or of the screen. */
  async screenshot(whole: boolean): Promise<Uint8Array> {
    const { data } = await this.send("Page.captureScreenshot", {
      format: "png",
      captureBeyondViewport: whole,
    });
    return Uint8Array.fromBase64(String(data));
  }

  /** A new tab, which is the page from now on; gives its name for {@linkcode turnTo}. */
  async tab(): Promise<string> {
    this.#session = "";
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    this.#session = String(sessionId);
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await this.send(`${domain}.enable`);
    return this.#session;
  }

  /** Turns to another tab. */
  turnTo(tab: string): void {
    this.#session = tab;
  }

  /** Sends a command of the DevTools protocol to the page. */
  async send(method: string, params: JsonObject = {}): Promise<JsonObject> {
    const id = ++this.#count;
    const reply = Promise.withResolvers<JsonObject>();
    this.#pending.set(id, reply);
    const session = this.#session === "" ? {} : { sessionId: this.#session };
    this.#socket?.send(JSON.stringify({ id, method, params, ...session }));
    return await reply.promise;
  }

  /** Ends the browser and removes its profile. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket?.close();
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#process.status;
    await Deno.remove(this.#profile, { recursive: true }).catch(() => {});
  }

  async #connect(address: string): Promise<void> {
    const socket = new WebSocket(address);
    this.#socket = socket;
    const opened = Promise.withResolvers<void>();
    socket.onopen = () => opened.resolve();
    socket.onerror = () => opened.reject(new BrowserError("start", `Cannot connect to ${address}`));
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(String(data)));
    await opened.promise;
    await this.tab();
  }

  #receive(message: unknown): void {
    const id = own(message, "id");
    if (typeof id !== "number") {
      const event = { method: stringAt(message, "method"), params: objectAt(message, "params") };
      for (const listener of [...this.#listeners]) listener(event);
      return;
    }
    const reply = this.#pending.get(id);
    this.#pending.delete(id);
    const error = own(message, "error");
    if (error === undefined) reply?.resolve(objectAt(message, "result"));
    else {reply?.reject(
        new BrowserError("protocol", stringAt(error, "message", "The browser refused a command")),
      );}
  }
}

async function debuggerAddress(process: Deno.ChildProcess): Promise<string> {
  let heard = "";
  // The pipe stays open and unread afterwards: Chromium writes little, and the process is ended by us.
  const reader = process.stderr.pipeThrough(new TextDecoderStream()).getReader();
  while (true) {
    const { value, done } = await reader.read();
    if (done) throw new BrowserError("start", `Chromium did not start: ${heard.slice(-500)}`);
    heard += value;
    const address = /DevTools listening on (ws:\/\/\S+)/.exec(heard);
    if (address) {
      reader.releaseLock();
      return address[1];
    }
  }
}
