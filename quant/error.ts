/** Errors of building, reading and applying quantization schemes. */
import { QuantbookError } from "../base/error.ts";

/**
 * A scheme is wrong in itself or does not fit the model. Codes: `"method"` (unknown method), `"option"` (value not
 * accepted), `"combination"` (parts that exclude each other), `"shape"` (does not fit a layer), `"pair"` (a norm and
 * linear pair is missing), `"calibration"` (missing or too little), `"values"` (NaN or infinite), `"hessian"`, `"notation"` (a
 * text is no scheme), `"resume"` (what is finished cannot be kept).
 */
export class SchemeError extends QuantbookError {}
