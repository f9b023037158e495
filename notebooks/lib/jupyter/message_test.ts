import { assertEquals, assertThrows } from "@std/assert";
import { decodeMessage, encodeMessage } from "./message.ts";
import { WireError } from "./zmtp.ts";

Deno.test("a message that was signed with the key is read", () => {
  const frames = encodeMessage("key", "session", "id", "execute_request", { code: "1 + 1" });
  assertEquals(decodeMessage("key", frames), {
    type: "execute_request",
    parent: "",
    content: { code: "1 + 1" },
  });
});

Deno.test("a changed message, another key and missing parts are refused", () => {
  const frames = encodeMessage("key", "session", "id", "execute_request", { code: "1 + 1" });
  assertThrows(() => decodeMessage("other", frames), WireError, "signed");
  const changed = [...frames.slice(0, -1), new TextEncoder().encode('{"code":"2 + 2"}')];
  assertThrows(() => decodeMessage("key", changed), WireError, "signed");
  assertThrows(() => decodeMessage("key", frames.slice(0, 4)), WireError, "parts");
});
