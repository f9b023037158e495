/** Tables of cosines and sines for rotary position embeddings (RoFormer, section 3.4.2). */
import { cos, log, pow, sin } from "../../base/elementary.ts";
import type { Positions } from "../architecture.ts";

type Rotary = Extract<Positions, { kind: "rotary" }>;

/**
 * Inverse frequencies `theta^(-2i / rotaryDim)`, stretched as the model's `rope_scaling` says; `long` for sequences over the
 * original positions, where the model tells them apart.
 */
export function inverseFrequencies({ theta, rotaryDim, scaling }: Rotary, long = false): Float64Array {
  const frequencies = new Float64Array(rotaryDim / 2);
  for (let i = 0; i < frequencies.length; i++) {
    const power = Math.fround(pow(theta, 2 * i / rotaryDim)), plain = Math.fround(1 / power);
    if (scaling?.kind === "longrope") {
      // The order of roundings is transformers': a frequency off by its last bit turns late positions visibly.
      const divisor = Math.fround((long ? scaling.longFactor : scaling.shortFactor)[i]);
      frequencies[i] = Math.fround(1 / Math.fround(divisor * power));
    } else {
      frequencies[i] = scaling === undefined ? plain : stretch(plain, scaling, i, { theta, rotaryDim });
    }
  }
  return frequencies;
}

function stretch(
  frequency: number,
  scaling: Exclude<NonNullable<Rotary["scaling"]>, { kind: "longrope" }>,
  pair: number,
  { theta, rotaryDim }: { theta: number; rotaryDim: number },
): number {
  if (scaling.kind === "linear") return Math.fround(frequency / scaling.factor);
  if (scaling.kind === "yarn") {
    // YaRN (Peng et al., 2023, section 3.2): pairs that turn often are kept, rare turns are divided, a ramp between.
    const { factor, originalPositions, betaFast, betaSlow, truncate } = scaling;
    const pairOf = (turns: number) =>
      rotaryDim * log(originalPositions / (turns * 2 * Math.PI)) / (2 * log(theta));
    const round = (x: number, to: (x: number) => number) => truncate ? to(x) : x;
    const low = Math.max(round(pairOf(betaFast), Math.floor), 0);
    const high = Math.min(round(pairOf(betaSlow), Math.ceil), rotaryDim - 1);
    // As in the authors' code, bounds in the wrong order make a ramp that falls.
    const ramp = Math.min(Math.max((pair - low) / (high === low ? 0.001 : high - low), 0), 1);
    return Math.fround(frequency / factor * ramp + frequency * (1 - ramp));
  }
  // Llama 3.1: long wavelengths are divided by the factor, short ones kept, those between are blended.
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalPositions } = scaling;
  const wavelength = 2 * Math.PI / frequency;
  if (wavelength < originalPositions / highFrequencyFactor) return frequency;
  if (wavelength > originalPositions / lowFrequencyFactor) return frequency / factor;
  const share = (originalPositions / wavelength - lowFrequencyFactor) /
    (highFrequencyFactor - lowFrequencyFactor);
  return (1 - share) * frequency / factor + share * frequency;
}

/** `[positions, rotaryDim]`: for each position `rotaryDim / 2` cosines, then as many sines. */
export function rotaryTable(rotary: Rotary, positions: number, long = false): Float32Array {
  const frequencies = inverseFrequencies(rotary, long);
  const { scaling } = rotary;
  const size = scaling !== undefined && "attentionFactor" in scaling ? scaling.attentionFactor : 1;
  const half = frequencies.length;
  const table = new Float32Array(positions * 2 * half);
  for (let p = 0; p < positions; p++) {
    for (let i = 0; i < half; i++) {
      // The angle is a float32 product in every reference implementation; its rounding is part of the model.
      const angle = Math.fround(p * frequencies[i]);
      table[p * 2 * half + i] = size * cos(angle);
      table[p * 2 * half + half + i] = size * sin(angle);
    }
  }
  return table;
}
