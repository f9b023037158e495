/** All WGSL kernels of the GPU device. Preludes come before the file that uses them. */

import accumulate from "./wgsl/accumulate.wgsl" with { type: "text" };
import activate from "./wgsl/activate.wgsl" with { type: "text" };
import attention from "./wgsl/attention.wgsl" with { type: "text" };
import attentionDense from "./wgsl/attention_dense.wgsl" with { type: "text" };
import attentionPacked from "./wgsl/attention_packed.wgsl" with { type: "text" };
import attentionProbabilities from "./wgsl/attention_probabilities.wgsl" with { type: "text" };
import attentionValues from "./wgsl/attention_values.wgsl" with { type: "text" };
import binary from "./wgsl/binary.wgsl" with { type: "text" };
import binaryFit from "./wgsl/binary_fit.wgsl" with { type: "text" };
import columnAbsMax from "./wgsl/column_abs_max.wgsl" with { type: "text" };
import combine from "./wgsl/combine.wgsl" with { type: "text" };
import decode from "./wgsl/decode.wgsl" with { type: "text" };
import derive from "./wgsl/derive.wgsl" with { type: "text" };
import each from "./wgsl/each.wgsl" with { type: "text" };
import eachRow from "./wgsl/each_row.wgsl" with { type: "text" };
import exact from "./wgsl/exact.wgsl" with { type: "text" };
import fakeQuantize from "./wgsl/fake_quantize.wgsl" with { type: "text" };
import fourDense from "./wgsl/four_dense.wgsl" with { type: "text" };
import fourHalf from "./wgsl/four_half.wgsl" with { type: "text" };
import hadamard from "./wgsl/hadamard.wgsl" with { type: "text" };
import hadamardTable from "./wgsl/hadamard_table.wgsl" with { type: "text" };
import half from "./wgsl/half.wgsl" with { type: "text" };
import int8Product from "./wgsl/int8_product.wgsl" with { type: "text" };
import limits from "./wgsl/limits.wgsl" with { type: "text" };
import logSoftmax from "./wgsl/log_softmax.wgsl" with { type: "text" };
import lutProduct from "./wgsl/lut_product.wgsl" with { type: "text" };
import math from "./wgsl/math.wgsl" with { type: "text" };
import norm from "./wgsl/norm.wgsl" with { type: "text" };
import packed from "./wgsl/packed.wgsl" with { type: "text" };
import packedVectorProduct from "./wgsl/packed_vector_product.wgsl" with { type: "text" };
import pairs from "./wgsl/pairs.wgsl" with { type: "text" };
import product from "./wgsl/product.wgsl" with { type: "text" };
import range from "./wgsl/range.wgsl" with { type: "text" };
import rangeEach from "./wgsl/range_each.wgsl" with { type: "text" };
import reduce from "./wgsl/reduce.wgsl" with { type: "text" };
import rightBinary from "./wgsl/right_binary.wgsl" with { type: "text" };
import rightDense from "./wgsl/right_dense.wgsl" with { type: "text" };
import rightHalf from "./wgsl/right_half.wgsl" with { type: "text" };
import rightPacked from "./wgsl/right_packed.wgsl" with { type: "text" };
import rotary from "./wgsl/rotary.wgsl" with { type: "text" };
import scan from "./wgsl/scan.wgsl" with { type: "text" };
import score from "./wgsl/score.wgsl" with { type: "text" };
import shortConvolution from "./wgsl/short_convolution.wgsl" with { type: "text" };
import sparseProduct from "./wgsl/sparse_product.wgsl" with { type: "text" };
import sumShares from "./wgsl/sum_shares.wgsl" with { type: "text" };
import table from "./wgsl/table.wgsl" with { type: "text" };
import takeColumns from "./wgsl/take_columns.wgsl" with { type: "text" };
import transpose from "./wgsl/transpose.wgsl" with { type: "text" };
import vector from "./wgsl/vector.wgsl" with { type: "text" };
import vectorProduct from "./wgsl/vector_product.wgsl" with { type: "text" };
import { Kernel } from "./kernel.ts";

/** The kernels by name. */
export const kernels = {
  accumulate: new Kernel("accumulate", each, pairs, accumulate),
  activate: new Kernel("activate", each, math, activate),
  attention: new Kernel("attention", eachRow, math, reduce, score, attentionDense, attention),
  attentionProbabilities: new Kernel(
    "attentionProbabilities",
    eachRow,
    math,
    reduce,
    score,
    attentionProbabilities,
  ),
  attentionValues: new Kernel("attentionValues", each, math, score, attentionValues),
  binaryFit: new Kernel("binaryFit", eachRow, exact, pairs, binaryFit),
  binaryProduct: new Kernel("binaryProduct", binary, rightBinary, product),
  columnAbsMax: new Kernel("columnAbsMax", columnAbsMax),
  combine: new Kernel("combine", each, combine),
  decode: new Kernel("decode", eachRow, decode),
  derive: new Kernel("derive", each, exact, derive),
  fakeQuantize: new Kernel("fakeQuantize", each, exact, fakeQuantize),
  hadamard: new Kernel("hadamard", eachRow, hadamard),
  hadamardTable: new Kernel("hadamardTable", eachRow, hadamardTable),
  halfProduct: new Kernel("halfProduct", half, rightHalf, product),
  halfVectorProduct: new Kernel("halfVectorProduct", vector, half, fourHalf, vectorProduct),
  int8Product: new Kernel("int8Product", int8Product),
  logSoftmax: new Kernel("logSoftmax", eachRow, math, reduce, logSoftmax),
  lutProduct: new Kernel("lutProduct", binary, lutProduct),
  norm: new Kernel("norm", eachRow, reduce, norm),
  packedAttention: new Kernel("packedAttention", eachRow, math, reduce, score, attentionPacked, attention),
  packedProduct: new Kernel("packedProduct", packed, rightPacked, product),
  packedVectorProduct: new Kernel("packedVectorProduct", vector, packed, packedVectorProduct),
  product: new Kernel("product", rightDense, product),
  range: new Kernel("range", eachRow, limits, range),
  rangeEach: new Kernel("rangeEach", each, limits, rangeEach),
  rotary: new Kernel("rotary", each, rotary),
  scan: new Kernel("scan", each, math, scan),
  shortConvolution: new Kernel("shortConvolution", each, shortConvolution),
  sparseProduct: new Kernel("sparseProduct", eachRow, reduce, sparseProduct),
  sumShares: new Kernel("sumShares", each, sumShares),
  tableProduct: new Kernel("tableProduct", table, rightPacked, product),
  tableVectorProduct: new Kernel("tableVectorProduct", vector, table, packedVectorProduct),
  takeColumns: new Kernel("takeColumns", each, takeColumns),
  transpose: new Kernel("transpose", transpose),
  vectorProduct: new Kernel("vectorProduct", vector, fourDense, vectorProduct),
};
