/** Gemma's scale of queries, which GGUF files leave out: the values of the published config.json files. */
import { assertEquals } from "@std/assert";
import { ggufFamilies } from "./families.ts";
import { Metadata } from "./metadata.ts";

Deno.test("Gemma's queries are scaled by the head, those of its largest models by the hidden width per head", () => {
  const scale = (name: string, hidden: number, heads: number, headDim: number, layers: number) => {
    const metadata = new Metadata({
      path: "file.gguf",
      paths: ["file.gguf"],
      byteLength: 0,
      metadata: new Map([["general.architecture", name]]),
      tensors: new Map(),
      read: () => Promise.reject(),
    });
    const sizes = {
      hidden,
      heads,
      kvHeads: heads,
      headDim,
      layers,
      intermediate: 4 * hidden,
      holds: () => false,
    };
    return ggufFamilies[name].extra?.(metadata, sizes).query_pre_attn_scalar;
  };
  // gemma-2-9b, gemma-2-27b; gemma-3-12b, gemma-3-27b.
  assertEquals(scale("gemma2", 3584, 16, 256, 42), 256);
  assertEquals(scale("gemma2", 4608, 32, 128, 46), 144);
  assertEquals(scale("gemma3", 3840, 16, 256, 48), 256);
  assertEquals(scale("gemma3", 5376, 32, 128, 62), 168);
});
