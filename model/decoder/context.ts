/** What a forward pass runs with: the parameters of a layer on a device, tables, interventions, a cache. */
import type { Device, DeviceBuffer } from "../../kernels/device.ts";
import type { Architecture, LinearRole } from "../architecture.ts";
import type { KeyValueCache } from "./cache.ts";
import type { Intervention } from "./intervention.ts";
import type { Linear } from "./parameter.ts";
import type { OnlineRotations } from "./rotation.ts";

/** A norm's weight and bias on the device. */
export interface LoadedNorm {
  /** The weight, on the device. */
  readonly weight: DeviceBuffer;
  /** The bias, on the device, if there is one. */
  readonly bias: DeviceBuffer | null;
}

/** Norms of queries and keys on the device. */
export interface LoadedHeadNorms {
  /** Weight of the queries' norm. */
  readonly query: DeviceBuffer;
  /** Weight of the keys' norm. */
  readonly key: DeviceBuffer;
  /** Ones as wide as a head, where each head has a weight of its own. */
  readonly ones: DeviceBuffer | null;
}

/** What a state-space mixer has beside its linear layers, on the device. */
export interface LoadedStateSpace {
  /** Taps `[taps, inner]`, those of the oldest token first. */
  readonly kernel: DeviceBuffer;
  /** Bias of the convolution. */
  readonly kernelBias: DeviceBuffer | null;
  /** A `[inner, state]`, negative. */
  readonly decay: DeviceBuffer;
  /** D `[inner]`. */
  readonly skip: DeviceBuffer;
}

/** The parameters of one decoder layer on the device. */
export interface LoadedLayer {
  /** Index of the layer. */
  readonly index: number;
  /** The norm of attention. */
  readonly attentionNorm: LoadedNorm;
  /** The norm of the feed-forward block. */
  readonly mlpNorm: LoadedNorm;
  /** Further norms of what the blocks add. */
  readonly outputNorms?: { readonly attention: LoadedNorm; readonly mlp: LoadedNorm };
  /** Norms of queries and keys. */
  readonly headNorms?: LoadedHeadNorms;
  /** The linear layers. */
  readonly linears: Readonly<Partial<Record<LinearRole, Linear>>>;
  /** The mixture of experts, in place of gate, up and down projection. */
  readonly experts?: LoadedExperts;
  /** The state-space mixer, in place of attention and feed-forward block. */
  readonly stateSpace?: LoadedStateSpace;
}

/** What a forward pass runs with. */
export interface PassContext {
  /** The device that runs the layers. */
  readonly device: Device;
  /** Layers, norms and sites of the model. */
  readonly architecture: Architecture;
  /** Cosines and sines, for rotary models. */
  readonly rotary: DeviceBuffer | null;
  /** Cosines and sines of the layers that see a window, where they differ. */
  readonly windowRotary?: DeviceBuffer;
  /** Slopes of the position bias, one per head, for models that have it. */
  readonly slopes?: DeviceBuffer;
  /** Hadamard transforms that run before quantizers and observers see what they rotate. */
  readonly rotations: OnlineRotations;
  /** Quantizers and observers, in the order they act. */
  readonly interventions: readonly Intervention[];
  /** The cache that attention goes through, if any. */
  readonly cache: KeyValueCache | null;
  /** Tokens of each sequence, where a pass has several: each goes on where the cache ends and sees no other. */
  readonly sequences?: readonly number[];
}

/** The linear layers of one expert on the device. */
export interface LoadedExpert {
  /** The gate projection. */
  readonly gate: Linear;
  /** The up projection. */
  readonly up: Linear;
  /** The down projection. */
  readonly down: Linear;
}

/** A layer's experts on the device. */
export interface LoadedExperts {
  /** Hidden states to one logit per expert. */
  readonly router: Linear;
  /** Loads an expert: only those that some token goes through are asked for. */
  load(expert: number): Promise<LoadedExpert>;
}
