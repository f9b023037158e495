/** The streams of `counter.py` (NumPy 2.4), to the bit. */
import { assertEquals } from "@std/assert";
import { bits, bytes, uniform } from "./counter.ts";

Deno.test("both languages count alike", () => {
  assertEquals([...bits(7, "blk.0.attn_q.weight", 3)], [1769940208, 3071984652, 779333513]);
  assertEquals([...uniform(7, "x", 3, 0.5)], [0.21120595932006836, 0.1650838851928711, 0.3592747449874878]);
  assertEquals([...bytes(7, "y", 5)], [1, 184, 60, 234, 184]);
});
