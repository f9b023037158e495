/** GPTQ's and AWQ's files as GPTQModel and AutoAWQ write them. */
import { testFolder } from "./golden_testing.ts";

testFolder("gptq", [
  "llama-w4g32",
  "mini-planar-w3g32",
  "mini-v1-w2g32-asym-act",
  "mini-v1-w3g32-asym-act",
  "mini-v1-w3g32-sym",
  "mini-v1-w4g32-asym-act",
  "mini-v1-w4g32-dynamic",
  "mini-v1-w4g32-lmhead",
  "mini-v1-w4g32-sym",
  "mini-v1-w4g64-static-act",
  "mini-v1-w4row-sym",
  "mini-v1-w5g32",
  "mini-v2-w2g32-asym",
  "mini-v2-w3g32-asym",
  "mini-v2-w4g32-asym",
  "mini-v2-w4row-sym-act",
  "mini-v2-w8g32-asym",
  "opt-w4g32-act",
]);
testFolder("awq", ["llama2l-gemm-g64", "mini-gemm-g32"]);
