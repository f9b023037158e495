import { assertEquals, assertThrows } from "@std/assert";
import { goldenResults, goldenRun } from "./golden.ts";

Deno.test("a stored result of the float model is an empty scheme", async () => {
  const result = (await goldenResults("formats", "llama")).get("fp32");
  assertEquals(result && goldenRun("formats", result), { scheme: {}, calibrationWindows: 0 });
});

Deno.test("groups and methods that are not known are refused by name", () => {
  const result = { id: "x.y", method: "none", config: {}, model: "llama" };
  assertThrows(() => goldenRun("formats", result), Error, 'x.y: method is "none": expected one of baseline');
  // @ts-expect-error: no such group
  assertThrows(() => goldenRun("other", result), Error, 'group is "other": expected one of formats');
});
