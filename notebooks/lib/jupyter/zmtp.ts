/**
 * The client side of ZMTP 3.0 (NULL mechanism) over TCP: the wire protocol of ZeroMQ, which Jupyter kernels speak.
 *
 * A connection greets with 64 fixed bytes, exchanges one READY command that names the socket's type, then sends
 * frames: one flag byte (1 = more frames follow, 2 = eight-byte length, 4 = command), a length, the body.
 * DEALER (requests) and SUB (published output) are all that a notebook client needs.
 */
import { QuantbookError } from "../../../base/error.ts";

/** The peer does not speak the protocol. */
export class WireError extends QuantbookError {}

/** The socket types of a Jupyter client. */
export type SocketType = "DEALER" | "SUB";

/** The body of one frame; a message is a list of them. */
export type Frame = Uint8Array<ArrayBuffer>;

const MORE = 1;
const LONG = 2;
const COMMAND = 4;
/** No message of a kernel is near this: a longer length means that the stream is out of step. */
const LONGEST_FRAME = 1 << 30;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A ZMTP connection that sends and receives whole messages. */
export class ZmtpSocket implements Disposable {
  #unread: Frame = new Uint8Array(0);
  readonly #connection: Deno.TcpConn;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    connection.setNoDelay(true);
  }

  /** Connects and completes the handshake; a SUB socket subscribes to every topic. */
  static async connect(port: number, type: SocketType, identity: string): Promise<ZmtpSocket> {
    const socket = new ZmtpSocket(await Deno.connect({ hostname: "127.0.0.1", port }));
    try {
      await socket.#write(greeting());
      const peer = await socket.#read(64);
      if (peer[0] !== 0xff || peer[10] < 3 || decoder.decode(peer.subarray(12, 16)) !== "NULL") {
        throw new WireError("handshake", `Port ${port} does not answer as ZMTP 3 with the NULL mechanism`);
      }
      await socket.#write(ready(type, identity));
      const { flags, body } = await socket.#frame();
      if (!(flags & COMMAND) || decoder.decode(body.subarray(1, 6)) !== "READY") {
        throw new WireError("handshake", `Port ${port} refused a ${type} socket`);
      }
      if (type === "SUB") await socket.#write(encodeFrame(0, Uint8Array.of(1)));
      return socket;
    } catch (error) {
      socket[Symbol.dispose]();
      throw error;
    }
  }

  /** Sends one message. */
  async send(frames: readonly Frame[]): Promise<void> {
    await this.#write(concat(frames.map((body, i) => encodeFrame(i < frames.length - 1 ? MORE : 0, body))));
  }

  /** The next message, or null when the peer closed the connection. */
  async receive(): Promise<Frame[] | null> {
    const frames: Frame[] = [];
    try {
      while (true) {
        const { flags, body } = await this.#frame();
        if (flags & COMMAND) continue;
        frames.push(body);
        if (!(flags & MORE)) return frames;
      }
    } catch (error) {
      if (isClosed(error)) return null;
      throw error;
    }
  }

  /** Closes the connection; a pending `receive` ends with null. */
  [Symbol.dispose](): void {
    try {
      this.#connection.close();
    } catch {
      // Already closed by the peer.
    }
  }

  async #frame(): Promise<{ flags: number; body: Frame }> {
    const [flags] = await this.#read(1);
    let length: number;
    if (flags & LONG) {
      const head = await this.#read(8);
      length = Number(new DataView(head.buffer, head.byteOffset).getBigUint64(0));
    } else {
      [length] = await this.#read(1);
    }
    if (length > LONGEST_FRAME) throw new WireError("frame", `A frame of ${length} bytes is out of range`);
    return { flags, body: await this.#read(length) };
  }

  async #read(length: number): Promise<Frame> {
    if (this.#unread.length < length) {
      const chunks = [this.#unread];
      let have = this.#unread.length;
      while (have < length) {
        const chunk = new Uint8Array(65_536);
        const count = await this.#connection.read(chunk);
        if (count === null) throw new Deno.errors.UnexpectedEof("the peer closed the connection");
        chunks.push(chunk.subarray(0, count));
        have += count;
      }
      this.#unread = concat(chunks);
    }
    const bytes = this.#unread.slice(0, length);
    this.#unread = this.#unread.subarray(length);
    return bytes;
  }

  async #write(bytes: Frame): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.#connection.write(bytes.subarray(sent));
  }
}

function greeting(): Frame {
  const bytes = new Uint8Array(64);
  bytes[0] = 0xff;
  bytes[9] = 0x7f;
  bytes[10] = 3;
  bytes.set(encoder.encode("NULL"), 12);
  return bytes;
}

function ready(type: SocketType, identity: string): Frame {
  const property = (name: string, value: string): Frame => {
    const text = encoder.encode(value);
    return concat([
      Uint8Array.of(name.length),
      encoder.encode(name),
      Uint8Array.of(0, 0, 0, text.length),
      text,
    ]);
  };
  const identified = type === "SUB" ? [] : [property("Identity", identity)];
  const body = concat([
    Uint8Array.of(5),
    encoder.encode("READY"),
    property("Socket-Type", type),
    ...identified,
  ]);
  return encodeFrame(COMMAND, body);
}

function encodeFrame(flags: number, body: Frame): Frame {
  if (body.length <= 255) return concat([Uint8Array.of(flags, body.length), body]);
  const head = new Uint8Array(9);
  head[0] = flags | LONG;
  new DataView(head.buffer).setBigUint64(1, BigInt(body.length));
  return concat([head, body]);
}

function concat(parts: readonly Frame[]): Frame {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

function isClosed(error: unknown): boolean {
  return error instanceof Deno.errors.UnexpectedEof || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.BrokenPipe;
}
