/**
 * The methods that come with the suite, by tag: a new one adds a line. Types of schemes and lists of methods follow from it.
 *
 * @module
 */
export { abqMethod as abq } from "./methods/abq.ts";
export { affineMethod as affine } from "./methods/affine.ts";
export { awqMethod as awq } from "./methods/awq.ts";
export { bcqMethod as bcq } from "./methods/bcq.ts";
export { crossQuantMethod as crossQuant } from "./methods/crossquant.ts";
export { dgqMethod as dgq } from "./methods/dgq.ts";
export { distillMethod as distill } from "./methods/distill.ts";
export { fp8Method as fp8 } from "./methods/fp8.ts";
export { fptqMethod as fptq } from "./methods/fptq.ts";
export { gptaqMethod as gptaq } from "./methods/gptaq.ts";
export { gptqMethod as gptq } from "./methods/gptq.ts";
export { hqqMethod as hqq } from "./methods/hqq.ts";
export { kiviMethod as kivi } from "./methods/kivi.ts";
export { kvquantMethod as kvquant } from "./methods/kvquant.ts";
export { llmFp4Method as llmFp4 } from "./methods/llmfp4.ts";
export { llmInt8Method as llmInt8 } from "./methods/llmint8.ts";
export { magnitudeMethod as magnitude } from "./methods/magnitude.ts";
export { mxMethod as mx } from "./methods/mx.ts";
export { nf4Method as nf4 } from "./methods/nf4.ts";
export { nvfp4Method as nvfp4 } from "./methods/nvfp4.ts";
export { obqMethod as obq } from "./methods/obq.ts";
export { obsMethod as obs } from "./methods/obs.ts";
export { odysseyMethod as odyssey } from "./methods/odyssey.ts";
export { omniquantMethod as omniquant } from "./methods/omniquant.ts";
export { ptq161Method as ptq161 } from "./methods/ptq161.ts";
export { qqqMethod as qqq } from "./methods/qqq.ts";
export { qrazorMethod as qrazor } from "./methods/qrazor.ts";
export { quarotMethod as quarot } from "./methods/quarot.ts";
export { quikMethod as quik } from "./methods/quik.ts";
export { rtnMethod as rtn } from "./methods/rtn.ts";
export { slimLlmMethod as slimLlm } from "./methods/slimllm.ts";
export { smoothQuantMethod as smoothQuant } from "./methods/smoothquant.ts";
export { sparseGptMethod as sparseGpt } from "./methods/sparsegpt.ts";
export { spinquantMethod as spinquant } from "./methods/spinquant.ts";
export { spqrMethod as spqr } from "./methods/spqr.ts";
export { svdQuantMethod as svdQuant } from "./methods/svdquant.ts";
export { wandaMethod as wanda } from "./methods/wanda.ts";
export { zeroQuantMethod as zeroQuant } from "./methods/zeroquant.ts";
