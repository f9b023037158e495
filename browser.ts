/**
 * `quantbook/browser`: the way from the bytes of a model to its perplexity, in a page or a worker of any browser with WebAssembly SIMD.
 * `deno task browser` bundles it to one module without imports.
 *
 * @module
 */
import "./browser/stand_ins.ts";
import { giveFile } from "./browser/file.ts";
import { BrowserError, measure, type PageMeasure, type PageRun, type PageText } from "./browser/measure.ts";

export { BrowserError, giveFile };
export type { PageMeasure, PageRun, PageText };

/**
 * Loads a model from bytes, quantizes it and measures it. The numbers have the same bits in every engine and in Deno on the CPU.
 *
 * @throws {BrowserError} and what reading, quantizing and measuring throws: errors that name the argument and what is accepted
 *
 * @example
 * ```ts
 * import { measureInPage } from "quantbook/browser";
 * import { assertEquals } from "@std/assert";
 *
 * const text = { text: "Fellow-Citizens of the Senate and of the House of Representatives", windows: 1, length: 8 };
 * const scheme = { weights: { method: "rtn", bits: 4, groupSize: 32 } };
 * const { certificate } = await measureInPage({ model: "fixture:llama", text, scheme });
 * assertEquals(certificate.length, 64);
 * ```
 */
export async function measureInPage(run: PageRun): Promise<PageMeasure> {
  return await measure(run);
}
