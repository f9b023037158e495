/** What the report says of a method. */

/** A method of the suite. */
export interface MethodEntry {
  readonly id: string;
  readonly name: string;
  /** Such as `"W4"` or `"K2 V2"`. */
  readonly bits: string;
  /** What is quantized, such as `"weights"`. */
  readonly quantizes: string;
  readonly calibration: boolean;
  readonly gradient: boolean;
  /** What it takes, in a phrase. */
  readonly cost: string;
  readonly paper: { readonly title: string; readonly link: string };
  /** The name of its notebook, when there is one. */
  readonly notebook?: string;
  /** Its file, such as `"quant/methods/gptq.ts"`. */
  readonly source: string;
  /** The central equation as TeX, and where it stands in the source. */
  readonly equation?: {
    readonly tex: string;
    /** The file of the lines, where that is not `source`. */
    readonly source?: string;
    /** Its place in the paper, such as `"eq. 4"`. */
    readonly label: string;
    /** Text of the first line shown; must occur in the file. */
    readonly anchor: string;
    /** How many lines are shown. */
    readonly lines: number;
  };
}
