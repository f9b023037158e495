/** Jupyter messages on the wire: four JSON parts, signed with HMAC-SHA256, between a delimiter and nothing. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { type JsonObject, objectAt, stringAt } from "../json.ts";
import { type Frame, WireError } from "./zmtp.ts";

/** A message from the kernel. */
export interface Message {
  /** Such as `"execute_reply"` or `"display_data"`. */
  readonly type: string;
  /** The id of the request that caused it. */
  readonly parent: string;
  readonly content: JsonObject;
}

const DELIMITER = "<IDS|MSG>";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function sign(key: string, parts: readonly Frame[]): string {
  const hmac = createHmac("sha256", key);
  for (const part of parts) hmac.update(part);
  return hmac.digest("hex");
}

/** Encodes a request; the reply will name `id` as its parent. */
export function encodeMessage(
  key: string,
  session: string,
  id: string,
  type: string,
  content: JsonObject,
): Frame[] {
  const header = {
    msg_id: id,
    msg_type: type,
    session,
    username: "quantbook",
    date: new Date().toISOString(),
    version: "5.3",
  };
  const parts = [header, {}, {}, content].map((part) => encoder.encode(JSON.stringify(part)));
  return [encoder.encode(DELIMITER), encoder.encode(sign(key, parts)), ...parts];
}

/** Decodes a message and checks its signature. */
export function decodeMessage(key: string, frames: readonly Frame[]): Message {
  const at = frames.findIndex((frame) =>
    frame.length === DELIMITER.length && decoder.decode(frame) === DELIMITER
  );
  const [signature, ...parts] = frames.slice(at + 1);
  if (at < 0 || parts.length < 4) throw new WireError("message", "A message of the kernel lacks its parts");
  const expected = encoder.encode(sign(key, parts.slice(0, 4)));
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) {
    throw new WireError("signature", "A message of the kernel is signed with another key");
  }
  const [header, parent, , content] = parts.slice(0, 4).map((part): unknown =>
    JSON.parse(decoder.decode(part))
  );
  return {
    type: stringAt(header, "msg_type"),
    parent: stringAt(parent, "msg_id"),
    content: objectAt({ content }, "content"),
  };
}
