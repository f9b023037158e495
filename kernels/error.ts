/** The base of all errors that quantbook raises on purpose: one subclass per boundary, each with a stable code. */
import { QuantbookError } from "../base/error.ts";

/** A device cannot do what was asked: no adapter, out of memory, a buffer too small, a released buffer. */
export class DeviceError extends QuantbookError {}
