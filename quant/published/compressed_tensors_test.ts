/** Files of compressed-tensors as llm-compressor writes them, and as version 0.9 did. */
import { testFolder } from "./golden_testing.ts";

testFolder("compressed-tensors", [
  "llama2l-w4a16-g32-sym",
  "mini-fp8-block",
  "mini-fp8-dynamic",
  "mini-int8-w8a8-static-asym",
  "mini-kv-fp8",
  "mini-kv-only-int8",
  "mini-mixed-w4-w8",
  "mini-mxfp4",
  "mini-mxfp4a16",
  "mini-mxfp8",
  "mini-nvfp4",
  "mini-nvfp4a16",
  "mini-w2g32-asym",
  "mini-w4afp8",
  "mini-w4channel-asym",
  "mini-w4channel-sym",
  "mini-w4g32-actorder-static",
  "mini-w4g32-actorder-weight",
  "mini-w4g32-asym",
  "mini-w4g32-bf16",
  "mini-w5g32-sym",
  "old-sparse24-bitmask",
  "old-w3g32-tenfields",
  "old-w4g32-actorder-group",
  "opt-mini-w4g32",
]);
testFolder("sharded", ["mini-w4g32-asym-3shards"]);
