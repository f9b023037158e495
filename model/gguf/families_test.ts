/** Gemma's scale of queries, which GGUF files leave out: the values of the published config.json files. */
import { assertEquals } from "@std/assert";
import { ggufFamilies, type GgufNumbers } from "./families.ts";

const nothing: GgufNumbers = {
  has: () => false,
  number: (_key, _least, _most, fallback = NaN) => fallback,
  pattern: () => undefined,
};

Deno.test("Gemma's queries are scaled by the head, those of its largest models by the hidden width per head", () => {
  const scale = (name: string, hidden: number, heads: number, headDim: number, layers: number) =>
    ggufFamilies[name].extra?.(nothing, { hidden, heads, headDim, layers }).query_pre_attn_scalar;
  // gemma-2-9b, gemma-2-27b; gemma-3-12b, gemma-3-27b.
  assertEquals(scale("gemma2", 3584, 16, 256, 42), 256);
  assertEquals(scale("gemma2", 4608, 32, 128, 46), 144);
  assertEquals(scale("gemma3", 3840, 16, 256, 48), 256);
  assertEquals(scale("gemma3", 5376, 32, 128, 62), 168);
});
