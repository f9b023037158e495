/** SVG to PNG with fonts of our own, so that the same plot gives the same bytes on every machine. */
import { initWasm, Resvg } from "@resvg/resvg-wasm";
import fonts from "dejavu-fonts-ttf/package.json" with { type: "json" };
import { readBytes } from "../../../base/file.ts";

/** Files of packages: imported as bytes, they would need a flag of every program that draws. */
const regular = `npm:dejavu-fonts-ttf@${fonts.version}/ttf/DejaVuSans.ttf`;
const bold = `npm:dejavu-fonts-ttf@${fonts.version}/ttf/DejaVuSans-Bold.ttf`;
const wasm = "npm:@resvg/resvg-wasm@2.6.2/index_bg.wasm";

const load = (file: string) => readBytes(new URL(import.meta.resolve(file)));
const files = async () => ({ wasm: await load(wasm), fonts: await Promise.all([regular, bold].map(load)) });
let ready: Promise<Uint8Array[]> | undefined;

/** Renders an SVG document, `zoom` pixels to the unit. */
export async function svgToPng(svg: string, zoom: number): Promise<Uint8Array> {
  ready ??= files().then(async ({ wasm, fonts }) => {
    await initWasm(wasm);
    return fonts;
  });
  const font = {
    fontBuffers: await ready,
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
