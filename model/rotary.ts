/** Tables of cosines and sines for rotary position embeddings (RoFormer, section 3.4.2). */
import type { Positions } from "./architecture.ts";

type Rotary = Extract<Positions, { kind: "rotary" }>;

/** Inverse frequencies `theta^(-2i / rotaryDim)`, stretched as the model's `rope_scaling` says. */
export function inverseFrequencies({ theta, rotaryDim, scaling }: Rotary): Float64Array {
  const frequencies = new Float64Array(rotaryDim / 2);
  for (let i = 0; i < frequencies.length; i++) {
    const plain = Math.fround(1 / Math.fround(theta ** (2 * i / rotaryDim)));
    frequencies[i] = stretch(plain, scaling);
  }
  return frequencies;
}

function stretch(frequency: number, scaling: Rotary["scaling"]): number {
  if (scaling === undefined) return frequency;
  if (scaling.kind === "linear") return Math.fround(frequency / scaling.factor);
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
export function rotaryTable(rotary: Rotary, positions: number): Float32Array {
  const frequencies = inverseFrequencies(rotary);
  const half = frequencies.length;
  const table = new Float32Array(positions * 2 * half);
  for (let p = 0; p < positions; p++) {
    for (let i = 0; i < half; i++) {
      // The angle is a float32 product in every reference implementation; its rounding is part of the model.
      const angle = Math.fround(p * frequencies[i]);
      table[p * 2 * half + i] = Math.cos(angle);
      table[p * 2 * half + half + i] = Math.sin(angle);
    }
  }
  return table;
}
