/**
 * What a quantization method is to the suite: a name, a reader of its options, and the parts of a model that it can
 * take over. A method is one file that exports a builder (`rtn(...)`) and an implementation of {@linkcode Method};
 * `registry.ts` lists them.
 */
import type { Device, DeviceBuffer } from "../kernels/device.ts";
import type { InputSite, LinearRole } from "../model/architecture.ts";
import type { Intervention } from "../model/decoder/intervention.ts";
import type { Model } from "../model/model.ts";
import type { StoredWeight } from "../model/decoder/parameter.ts";
import type { Option, Tagged } from "./options.ts";
import type { Finished } from "./resumption/finished.ts";

/** A row-major matrix on the host. */
export interface Matrix {
  /** Number of rows. */
  readonly rows: number;
  /** Number of columns. */
  readonly columns: number;
  /** Values, row-major. */
  readonly data: Float32Array;
}

/** What is known of the input of a linear layer after calibration. */
export interface InputStatistics {
  /** `X^T X` summed over all calibration tokens, `[columns, columns]`, float64. */
  readonly gram: Float64Array;
  /** Calibration windows. */
  readonly windows: number;
  /** Calibration tokens. */
  readonly tokens: number;
  /** `(X_float - X)^T X` likewise, where {@linkcode WeightMethod.drift} asks for it: rows belong to the difference. */
  readonly drift?: Float64Array;
  /** The inputs themselves, `[tokens, columns]` of each window, where {@linkcode WeightMethod.inputs} asks for them. */
  readonly inputs?: readonly Float32Array[];
}

/** Where a weight stands. */
export interface WeightPlace {
  /** Index of the decoder layer; null of the model's ends. */
  readonly layer: number | null;
  /** Which linear layer, or which end. */
  readonly role: LinearRole | "head" | "embedding";
  /** Index of the expert that it belongs to, in a mixture of experts. */
  readonly expert?: number;
  /** Which input; none of the ends. */
  readonly site?: InputSite;
  /** Name in the checkpoint, for messages. */
  readonly name: string;
}

/** Quantizes one weight with what calibration has found; `input` as in {@linkcode WeightMethod.quantize}. */
export type CalibratedWeights = (
  weight: Matrix,
  place: WeightPlace,
  input: InputStatistics | null,
  device: Device,
) => StoredWeight | Promise<StoredWeight>;

/** Turns the weight `[out, in]` of one linear layer into codes. */
export interface WeightMethod<S extends Tagged> {
  /**
   * `"gram"` when the statistics of the layer's input are needed: calibration then runs layer by layer. A function
   * where that depends on the scheme.
   */
  readonly needs: "nothing" | "gram" | ((scheme: S) => "nothing" | "gram");
  /** Whether the statistics are those of the last calibration window alone. */
  readonly lastWindow?: (scheme: S) => boolean;
  /** Whether each sub-block is calibrated on its quantized predecessors in the same layer. */
  readonly sequential?: (scheme: S) => boolean;
  /**
   * How many of the calibration windows, from the first on, the statistics of inputs are taken of; all where absent or undefined. For
   * methods whose {@linkcode calibrate} looks at more text than their compensation.
   */
  readonly windows?: (scheme: S) => number | undefined;
  /**
   * Whether {@linkcode InputStatistics.drift} is needed too: the float model then runs beside the quantized one, which mixtures of experts,
   * whose router may send a token elsewhere, refuse.
   */
  readonly drift?: (scheme: S) => boolean;
  /** Whether the inputs themselves are needed beside their statistics; experts of mixtures have none. */
  readonly inputs?: (scheme: S) => boolean;
  /** Whether statistics are taken of inputs rounded as the scheme's `activations` say, not of inputs as they are. */
  readonly roundedInputs?: (scheme: S) => boolean;
  /**
   * Rewrites the model before its weights are quantized, preserving its function (or nearly so, as clipping does). Methods
   * that do are refused for mixtures of experts.
   */
  readonly prepare?: (model: Model, scheme: S, context: QuantizeContext) => Promise<Model>;
  /**
   * What takes the place of `quantize` where a scheme fixes something before any weight is quantized, such as factors of columns; absent
   * where it does not. `model` is rewritten by the scheme's transforms, its weights are still in full precision; nothing of it may be kept.
   */
  readonly calibrate?: (
    model: Model,
    scheme: S,
    context: QuantizeContext,
  ) => Promise<CalibratedWeights | null>;
  /** Whether the scheme leaves this weight of a decoder layer as it is. */
  readonly skips?: (scheme: S, place: WeightPlace) => boolean;
  /** Codes of one weight; `input` is null when the method needs nothing, `device` is the model's. */
  quantize(
    weight: Matrix,
    scheme: S,
    place: WeightPlace,
    input: InputStatistics | null,
    device: Device,
  ): StoredWeight | Promise<StoredWeight>;
}

/**
 * A matrix of vectors to be quantized on the fly: `[rows, columns]` where each row holds `heads` vectors of
 * `columns / heads` values. Inputs of linear layers have one head; attention probabilities are
 * `[heads * queries, keys]`.
 */
export interface OperandView {
  /** Number of rows. */
  readonly rows: number;
  /** Number of columns. */
  readonly columns: number;
  /** Number of heads. */
  readonly heads: number;
}

/** Where an operand stands. */
export interface OperandPlace {
  /** Index of the decoder layer; null of the output projection's input. */
  readonly layer: number | null;
  /** The input of linear layers, or the operand of attention. */
  readonly site: InputSite | "head" | "keyBeforeRotary" | "query" | "key" | "value" | "scores";
}

/** Rounds `x` in place with what calibration has found of its place. */
export type CalibratedOperand = (
  x: DeviceBuffer,
  view: OperandView,
  place: OperandPlace,
) => void | Promise<void>;

/** What finds how it rounds layer by layer, as the walk that quantizes weights comes to them. */
export interface LayeredOperand {
  /** Rounds in the layers that have been looked at. */
  readonly round: CalibratedOperand;
  /**
   * Looks at a layer whose weights are not rounded yet behind layers that are, wholly: the observer is put into the pass of one calibration
   * window, and `done` called after it; windows come in order.
   */
  look(layer: number, window: number): { readonly observer: Intervention; done(): Promise<void> };
}

/** Quantizes and dequantizes activations or attention operands in place. */
export interface OperandMethod<S extends Tagged> {
  /** Rounds `x` in place, in the groups of `view`. */
  apply(device: Device, x: DeviceBuffer, view: OperandView, scheme: S): void | Promise<void>;
  /**
   * What takes the place of `apply` where a scheme fixes something before the model runs, such as static ranges; null where it does
   * not. `model` is rewritten by the scheme's transforms, its weights are still in full precision; nothing of it may be kept.
   */
  readonly calibrate?: (
    model: Model,
    scheme: S,
    context: QuantizeContext,
  ) => Promise<CalibratedOperand | null>;
  /** Whether `calibrate` may give anything; where it does not, sweeps share the weights that stand before it. Always, when absent. */
  readonly calibrates?: (scheme: S) => boolean;
  /**
   * What takes the place of `calibrate` where a scheme with weights asks for it: ranges of a layer are found behind layers with rounded
   * weights, inputs and attention operands, and weights are compensated behind these too.
   */
  readonly layered?: (model: Model, scheme: S, context: QuantizeContext) => Promise<LayeredOperand | null>;
}

/** What calibration has found, by keys that say all it depends on. */
export interface CalibrationMemory {
  /** The value under a key, if it is still there. */
  get(key: string): unknown;
  /** Keeps a value of about so many bytes. */
  set(key: string, value: unknown, bytes: number): void;
}

/** How much of some work is done. */
export interface Share {
  /** Steps that are done. */
  readonly done: number;
  /** Steps in all. */
  readonly total: number;
}

/** What methods may ask for. */
export interface QuantizeContext {
  /** Calibration windows; throws a SchemeError if none were given. */
  calibration(method: string): readonly Int32Array[];
  /** Called with a line of progress, and how much of all weights is done where that is known. */
  progress(message: string, share?: Share): void;
  /** What calibration has found, for the next scheme on the same model and windows. */
  readonly memory: CalibrationMemory;
  /** What an earlier run that was ended has finished of this part of the scheme; null where nothing is kept. */
  readonly finished: Finished | null;
}

/** Makes a model of a model. */
export interface ModelMethod<S extends Tagged> {
  /** Whether each row of an input is multiplied as if it stood alone; where a method owns products, it must say so. */
  readonly rowwise?: boolean;
  /** Whether it knows layers with a state-space mixer; others are refused for these. */
  readonly stateSpace?: boolean;
  /** A new model, quantized or rewritten as the scheme says; the caller owns it, and `model` stays as it is. */
  apply(model: Model, scheme: S, context: QuantizeContext): Promise<Model>;
}

/** What a method takes, for predictions of time and memory; what its weights need for calibration is known already. */
export interface MethodCost<S extends Tagged> {
  /** It runs the calibration windows through the model. */
  readonly calibrates?: boolean;
  /** Copies of all weights that it holds beside the float model's; 1 when absent. */
  readonly copies?: number;
  /** How often it looks at each weight; once when absent. */
  readonly passes?: (scheme: S) => number;
}

/** The parts of a scheme, as methods fill them. */
export type SchemePart = "weights" | "sparsity" | "operand" | "transform" | "linears" | "kv";

/** A publication. */
export interface Paper {
  /** Its title, with what tells the version where there are several. */
  readonly title: string;
  /** Authors and year: `"Frantar et al. 2023"`. */
  readonly authors: string;
  /** Where it can be read. */
  readonly link: string;
}

/** A method and the parts of a scheme that it can fill. */
export interface Method {
  /** The tag of its schemes. */
  readonly name: string;
  /** Of a registered method: a text that changes whenever its code does. */
  readonly version?: string;
  /** Of a registered method: the file that it is written in (`import.meta.url`), which is hashed with all that it imports. */
  readonly source?: string | URL;
  /** Where it was published. */
  readonly paper?: Paper;
  /** The option that a value alone stands for in a scheme's text; `bits` when absent, or the first of `options`. */
  readonly short?: string;
  /** What its schemes hold: names, accepted values and defaults, for lists of methods. */
  readonly options?: Readonly<Record<string, Option>>;
  /** Rebuilds a scheme from JSON, with all checks; `part` is the one that it is to fill. */
  parse(options: Record<string, unknown>, part: SchemePart): Tagged;
  /** What it takes beyond one look at each weight, where that is more than nothing. */
  readonly cost?: MethodCost<never>;
  /** Whether the last group of a row may be shorter, so that `groupSize` need not divide the features. */
  readonly shortGroups?: boolean;
  /** Weights of linear layers. */
  readonly weights?: WeightMethod<never>;
  /** Zeros among the weights of linear layers, before (or while) they are quantized. */
  readonly sparsity?: WeightMethod<never>;
  /** Activations and attention operands. */
  readonly operand?: OperandMethod<never>;
  /** Function-preserving rewrites before quantization. */
  readonly transform?: ModelMethod<never>;
  /** Methods that own the matrix product. */
  readonly linears?: ModelMethod<never>;
  /** The key-value cache. */
  readonly kv?: ModelMethod<never>;
}

/** A method that fills certain parts: the types of its schemes follow from them. */
export type MethodWith<Parts extends Partial<Pick<Method, SchemePart>>> = Omit<Method, SchemePart> & Parts;
