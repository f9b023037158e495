/** The entry of the WebAssembly module: every kernel is `(begin, end, scratch, ...arguments)` over units of work. */

export { attention } from "./attention";
export { lookUp } from "./look_up";
export { packPanels } from "./pack";
export { addGram, combine, packGram, product, vectorProduct } from "./product";
export { columnAbsMax, pieceRanges, quantizeColumns, quantizePieces, quantizeRows } from "./quantize";
export { scan, shortConvolution } from "./recurrent";
export { accumulate, activate, layerNorm, logSoftmax, rmsNorm, rotary } from "./rows";
export { subtractProduct, subtractScaled } from "./product64";
