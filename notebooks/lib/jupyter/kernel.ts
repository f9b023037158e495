/**
 * A Deno Jupyter kernel as a child process: start it, send it code, receive what the code prints, end it.
 *
 * Why not nbclient: Deno 2.9's kernel announces "idle" while outputs are still queued and stamps the late ones with
 * the id of the next request, so that a client that trusts "idle" loses or misplaces them. The queue itself is first
 * in, first out. Therefore each cell is followed by a *barrier*, a silent request that publishes one tagged message;
 * everything that arrives before the tag belongs to the cell.
 */
import { QuantbookError } from "../../../base/error.ts";
import { type JsonObject, objectAt, stringAt } from "../json.ts";
import { decodeMessage, encodeMessage, type Message } from "./message.ts";
import { ZmtpSocket } from "./zmtp.ts";

/** The kernel did not start (`"start"`), died (`"died"`), or exceeded the time limit of a cell (`"timeout"`). */
export class KernelError extends QuantbookError {}

/** How to start a kernel. */
export interface KernelOptions {
  /** The folder in which cells run; the deno.json above it is the one whose import map cells see. */
  readonly cwd?: string;
  /** Added to this process' environment, in which `NO_COLOR` is set: stored outputs must not depend on the terminal. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default 30. */
  readonly startSeconds?: number;
}

/** The error of a cell that threw. */
export interface CellFailure {
  readonly name: string;
  readonly message: string;
}

/** How a cell ended. */
export interface CellEnd {
  readonly executionCount: number | null;
  readonly failure: CellFailure | null;
}

const BARRIER = "quantbookBarrier";
const SILENT = { silent: true, store_history: false, user_expressions: {}, allow_stdin: false };
/** A kernel whose client was killed has nobody left to end it: it looks every second whether its parent still lives. */
const WATCH_PARENT = `{
  const parent = Deno.ppid;
  Deno.unrefTimer(setInterval(() => Deno.ppid === parent || Deno.exit(), 1000));
}`;
const PORTS = ["shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"];

/** A running kernel. Dispose of it with `await using`: that ends the process. */
export class DenoKernel implements AsyncDisposable {
  readonly #session = crypto.randomUUID();
  readonly #key = crypto.randomUUID();
  readonly #ended = Promise.withResolvers<never>();
  readonly #listeners = new Set<(channel: "shell" | "iopub", message: Message) => void>();
  #process?: Deno.ChildProcess;
  #connectionFile?: string;
  #shell?: ZmtpSocket;
  #iopub?: ZmtpSocket;
  #complaints = "";

  private constructor() {
    // Death is reported to whoever waits for a reply; nobody may be waiting.
    this.#ended.promise.catch(() => {});
  }

  /** Starts a kernel and waits until it answers. */
  static async start(options: KernelOptions = {}): Promise<DenoKernel> {
    const kernel = new DenoKernel();
    try {
      await kernel.#start(options);
      return kernel;
    } catch (error) {
      await kernel[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Runs code and hands over, in order, every message that it publishes. Resolves when all of them have arrived.
   * A throw in the code is a `failure`, not an exception; a dead kernel or `seconds` without an end is a `KernelError`.
   */
  async execute(code: string, onMessage: (message: Message) => void, seconds = 0): Promise<CellEnd> {
    const flags = { silent: false, store_history: true, user_expressions: {}, allow_stdin: false };
    const run = async (): Promise<CellEnd> => {
      const collect = (channel: "shell" | "iopub", message: Message): undefined => {
        if (channel === "iopub" && isOutput(message)) onMessage(message);
      };
      this.#listeners.add(collect);
      try {
        const reply = await this.#request("execute_request", { ...flags, code, stop_on_error: true });
        await this.#barrier();
        return endOf(reply);
      } finally {
        this.#listeners.delete(collect);
      }
    };
    return await this.#within(seconds, run());
  }

  /** The kernel's description of its language, which notebooks store in `metadata.language_info`. */
  async languageInfo(): Promise<JsonObject> {
    const reply = await this.#within(10, this.#request("kernel_info_request", {}));
    return objectAt(reply.content, "language_info");
  }

  /** Ends the kernel's process and removes its connection file. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#shell?.[Symbol.dispose]();
    this.#iopub?.[Symbol.dispose]();
    if (this.#process) {
      try {
        this.#process.kill("SIGKILL");
      } catch {
        // It has ended by itself.
      }
      await this.#process.status;
    }
    if (this.#connectionFile) await Deno.remove(this.#connectionFile).catch(() => {});
  }

  async #start({ cwd, env, startSeconds = 30 }: KernelOptions): Promise<void> {
    const ports = freePorts();
    this.#connectionFile = await Deno.makeTempFile({ prefix: "quantbook-kernel-", suffix: ".json" });
    const connection = {
      transport: "tcp",
      ip: "127.0.0.1",
      key: this.#key,
      signature_scheme: "hmac-sha256",
      kernel_name: "deno",
      ...ports,
    };
    await Deno.writeTextFile(this.#connectionFile, JSON.stringify(connection));
    const command = new Deno.Command(Deno.execPath(), {
      args: ["jupyter", "-q", "--kernel", "--conn", this.#connectionFile],
      cwd,
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    });
    this.#process = command.spawn();
    this.#watch(this.#process);
    const deadline = Date.now() + startSeconds * 1000;
    this.#shell = await this.#dial(ports.shell_port, "DEALER", deadline);
    this.#iopub = await this.#dial(ports.iopub_port, "SUB", deadline);
    this.#pump("shell", this.#shell);
    this.#pump("iopub", this.#iopub);
    await this.#joined(deadline);
    await this.#within(
      5,
      this.#request("execute_request", { ...SILENT, code: WATCH_PARENT, stop_on_error: false }),
    );
  }

  /** A subscriber joins late and misses what was published before: repeat the barrier until it is heard. */
  async #joined(deadline: number): Promise<void> {
    while (true) {
      try {
        return await this.#within(0.25, this.#barrier());
      } catch (error) {
        if (!(error instanceof KernelError && error.code === "timeout")) throw error;
        if (Date.now() > deadline) throw new KernelError("start", "The kernel started but publishes nothing");
      }
    }
  }

  async #dial(port: number, type: "DEALER" | "SUB", deadline: number): Promise<ZmtpSocket> {
    while (true) {
      try {
        return await this.#within(5, ZmtpSocket.connect(port, type, this.#session));
      } catch (error) {
        if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
        if (Date.now() > deadline) {
          throw new KernelError("start", `The kernel does not listen on port ${port}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  }

  #watch(process: Deno.ChildProcess): void {
    const reading = (async () => {
      for await (const text of process.stderr.pipeThrough(new TextDecoderStream())) {
        this.#complaints = (this.#complaints + text).slice(-2000);
      }
    })();
    Promise.all([process.status, reading]).then(([{ code, signal }]) => {
      const how = signal ? `was ended by ${signal}` : `exited with code ${code}`;
      const why = this.#complaints.trim();
      this.#ended.reject(new KernelError("died", `The kernel ${how}${why ? `: ${why}` : ""}`));
    });
  }

  async #pump(channel: "shell" | "iopub", socket: ZmtpSocket): Promise<void> {
    try {
      for (let frames = await socket.receive(); frames; frames = await socket.receive()) {
        const message = decodeMessage(this.#key, frames);
        for (const listener of [...this.#listeners]) listener(channel, message);
      }
    } catch (error) {
      this.#ended.reject(error);
    }
  }

  /** Sends a request and waits for its reply. */
  async #request(type: string, content: JsonObject): Promise<Message> {
    const id = crypto.randomUUID();
    const heard = this.#listen((channel, message) => channel === "shell" && message.parent === id);
    await this.#send(id, type, content);
    return await heard.finally(heard.stop);
  }

  /** Resolves when the kernel has published everything that it had queued. */
  async #barrier(): Promise<void> {
    const tag = crypto.randomUUID();
    const content = `{ data: {}, metadata: { ${BARRIER}: "${tag}" }, transient: {} }`;
    const code = `await Deno.jupyter.broadcast("display_data", ${content});`;
    const heard = this.#listen((channel, message) =>
      channel === "iopub" && stringAt(objectAt(message.content, "metadata"), BARRIER) === tag
    );
    await this.#send(tag, "execute_request", { ...SILENT, code, stop_on_error: false });
    await heard.finally(heard.stop);
  }

  #listen(
    wanted: (channel: "shell" | "iopub", message: Message) => boolean,
  ): Promise<Message> & { stop: () => void } {
    const { promise, resolve } = Promise.withResolvers<Message>();
    const listener = (channel: "shell" | "iopub", message: Message): void => {
      if (wanted(channel, message)) resolve(message);
    };
    this.#listeners.add(listener);
    return Object.assign(promise, { stop: () => void this.#listeners.delete(listener) });
  }

  async #send(id: string, type: string, content: JsonObject): Promise<void> {
    if (!this.#shell) throw new KernelError("start", "The kernel is not connected");
    await this.#shell.send(encodeMessage(this.#key, this.#session, id, type, content));
  }

  /** The result of `work`, unless the kernel dies first or `seconds` pass (0 = no limit). */
  async #within<T>(seconds: number, work: Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const expire = () => late.reject(new KernelError("timeout", `No end after ${seconds} seconds`));
    const timer = seconds > 0 ? setTimeout(expire, seconds * 1000) : undefined;
    work.catch(() => {});
    try {
      return await Promise.race([work, this.#ended.promise, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function isOutput({ type, content }: Message): boolean {
  if (type === "status" || type === "execute_input") return false;
  return stringAt(objectAt(content, "metadata"), BARRIER) === "";
}

function endOf({ content }: Message): CellEnd {
  const count = content.execution_count;
  return {
    executionCount: typeof count === "number" ? count : null,
    failure: content.status === "ok" ? null : {
      name: stringAt(content, "ename", "Error"),
      message: stringAt(content, "evalue", "the cell failed"),
    },
  };
}

/** Free TCP ports. Another process may take one before the kernel does; the start then fails with its message. */
function freePorts(): Record<string, number> {
  const listeners = PORTS.map(() => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map((listener, i) => [PORTS[i], listener.addr.port]);
  for (const listener of listeners) listener.close();
  return Object.fromEntries(ports);
}
