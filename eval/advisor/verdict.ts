/** What the advisor found, in a sentence. */
import type { Proof } from "./proof.ts";
import type { Entrant } from "./run.ts";

const number = (x: number) => String(Number(x.toPrecision(3)));
const range = (ends: readonly number[]) => `[${ends.map(number).join(", ")}]`;

/** Of a budget in bytes. */
export function budgetVerdict(
  mixture: Entrant,
  uniform: Entrant,
  { better, divergence, windows }: Proof,
): string {
  if (mixture.text === uniform.text) return "the best mixture is the uniform scheme itself";
  const { value, interval, pValue } = divergence;
  const numbers = `${number(value)} nats per token of divergence ${range(interval)}, p = ${
    pValue.toPrecision(2)
  }, on ${windows} windows that no score has seen`;
  return better
    ? `the mixture is better than ${uniform.text}: ${numbers}`
    : `the mixture is not shown to be better than ${uniform.text}, which is the advice: ${numbers}`;
}

/** Of a largest divergence. */
export function boundVerdict(mixture: Entrant, uniform: Entrant, proof: Proof, bound: number): string {
  const text = `on ${proof.windows} windows that no score has seen`;
  const said = ({ divergence, interval }: Proof["mixture"]) => {
    const kept = interval[1] <= bound
      ? "is within the bound"
      : divergence <= bound
      ? "is within the bound, its interval is not"
      : "is above the bound";
    return `${number(divergence)} nats per token ${range(interval)} ${text} ${kept} of ${number(bound)}`;
  };
  if (mixture.bytes >= uniform.bytes) {
    return `no mixture is smaller than ${uniform.text}, the smallest uniform scheme, which is the advice: ${
      said(proof.uniform)
    }`;
  }
  const saved = `${uniform.bytes - mixture.bytes} bytes smaller than ${uniform.text}`;
  return proof.mixture.divergence <= bound
    ? `the mixture is ${saved}: ${said(proof.mixture)}`
    : `the mixture would be ${saved}, which is the advice, but ${
      said(proof.mixture)
    }; of the uniform scheme, ${said(proof.uniform)}`;
}
