/** SVG to PNG with fonts of our own, so that the same plot gives the same bytes on every machine. */
import bold from "dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf" with { type: "bytes" };
import regular from "dejavu-fonts-ttf/ttf/DejaVuSans.ttf" with { type: "bytes" };
import { initWasm, Resvg } from "@resvg/resvg-wasm";
import wasm from "@resvg/resvg-wasm/index_bg.wasm" with { type: "bytes" };

let ready: Promise<void> | undefined;

/** Renders an SVG document, `zoom` pixels to the unit. */
export async function svgToPng(svg: string, zoom: number): Promise<Uint8Array> {
  await (ready ??= initWasm(wasm));
  const font = {
    fontBuffers: [regular, bold],
    defaultFontFamily: "DejaVu Sans",
    sansSerifFamily: "DejaVu Sans",
    loadSystemFonts: false,
  };
  using image = disposable(new Resvg(svg, { fitTo: { mode: "zoom", value: zoom }, font }));
  return image.value.render().asPng();
}

function disposable<T extends { free(): void }>(value: T): Disposable & { readonly value: T } {
  return { value, [Symbol.dispose]: () => value.free() };
}
