/** Weights of a model's first decoder layer with the statistics of their inputs: GPTQ's problems, one by one. */
import { subtractProduct } from "../../kernels/cpu/float64.ts";
import type { LinearRole } from "../../model/architecture.ts";
import type { Model } from "../../model/model.ts";
import { quantizeLayerwise } from "../../quant/calibration/layerwise.ts";
import type { InputStatistics, Matrix } from "../../quant/method.ts";
import { hessianOf } from "../../quant/compensation/hessian.ts";

/** One linear layer as GPTQ sees it. */
export interface LayerProblem {
  /** Which linear layer. */
  readonly role: LinearRole;
  /** The weight before quantization, `[out, in]`. */
  readonly weight: Matrix;
  /** What calibration saw at its input. */
  readonly statistics: InputStatistics;
  /** `2/N X^T X` over N windows, `[in, in]`. */
  readonly hessian: Float64Array;
}

/** Ends the walk over the layers. */
class FirstLayerDone extends Error {}

/** The linear layers of decoder layer 0, whose inputs no quantization has touched, in the order they run. */
export async function firstLayerProblems(
  model: Model,
  windows: readonly Int32Array[],
): Promise<LayerProblem[]> {
  const problems: LayerProblem[] = [];
  try {
    await quantizeLayerwise(model, windows, {
      needed: () => true,
      sequential: () => false,
      async quantize(layer, { role }, statistics) {
        if (layer > 0 || statistics === null) throw new FirstLayerDone();
        const linear = model.linear(layer, role);
        const [rows, columns] = linear.shape;
        const weight = { rows, columns, data: await linear.values() };
        problems.push({ role, weight, statistics, hessian: hessianOf(statistics) });
        return linear;
      },
    });
  } catch (error) {
    if (!(error instanceof FirstLayerDone)) throw error;
  }
  return problems;
}

/** `trace((W - W^) H (W - W^)^T)`, twice what the method's loss counts where `H` is damped alike. */
export function outputError(
  { rows, columns, data }: Matrix,
  quantized: Float32Array,
  hessian: Float64Array,
): number {
  const difference = Float64Array.from(data, (value, i) => value - quantized[i]);
  const product = new Float64Array(rows * columns);
  const block = (matrix: Float64Array) => ({ data: matrix, start: 0, stride: columns });
  subtractProduct(block(product), block(difference), block(hessian), rows, columns, columns);
  let error = 0;
  for (let i = 0; i < product.length; i++) error -= product[i] * difference[i];
  return error;
}
