/** Names of tensors in GGUF files and in safetensors checkpoints, and the rows of the one that are the other's. */
import type { GgufFamily, GgufSizes } from "./families.ts";

const llamaParts: Readonly<Record<string, string>> = {
  token_embd: "model.embed_tokens",
  output_norm: "model.norm",
  output: "lm_head",
  attn_norm: "input_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  attn_q_norm: "self_attn.q_norm",
  attn_k_norm: "self_attn.k_norm",
  ffn_norm: "post_attention_layernorm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};

/** The name of a tensor in GGUF files, where one of the file is one of the checkpoint; others keep theirs. */
export function ggufName(
  name: string,
  { prefix = "model.layers.", parts = {}, experts }: Named = {},
): string {
  const rest = name.startsWith(prefix) ? name.slice(prefix.length) : name;
  const [, layer, part, kind] = /^(?:(\d+)\.)?(.+)\.(weight|bias)$/.exec(rest) ?? [];
  if (part === undefined) return name;
  const block = layer === undefined ? "" : `blk.${layer}.`;
  const expert = Object.entries(experts ?? {}).find(([, known]) =>
    known.replace("{expert}", "") === part.replace(/(experts\.)\d+/, "$1")
  );
  if (expert !== undefined) {
    return `${block}${expert[0] === "router" ? "ffn_gate_inp" : `ffn_${expert[0]}_exps`}.${kind}`;
  }
  const found = Object.entries({ ...llamaParts, ...parts }).find(([, known]) =>
    known === part || known === part.replace(/\d+$/, "{head}")
  );
  return found === undefined ? name : `${block}${found[0]}.${kind}`;
}

/** What of a family names tensors. */
export type Named = Pick<GgufFamily, "prefix" | "parts" | "experts">;

/** Some rows of a stored tensor's first axis. */
export interface Rows {
  /** Name in the file. */
  readonly tensor: string;
  /** First row. */
  readonly start: number;
  /** Number of rows. */
  readonly count: number;
}

/** A tensor of the checkpoint, made of the file's. */
export interface View {
  /** Its rows, from one or more tensors, one after the other. */
  readonly rows: readonly Rows[];
  /** Dimensions as joined. */
  readonly shape: readonly number[];
  /** For each row which of the joined ones it is; as they stand when absent. */
  readonly order?: (row: number) => number;
}

/**
 * The row of queries or keys that checkpoints have at `row`: the two halves of each head one after the other, where llama.cpp has
 * their rows by turns.
 */
export function halvesRow(row: number, headDim: number): number {
  const inner = row % headDim, half = headDim / 2;
  return row - inner + (inner < half ? 2 * inner : 2 * (inner - half) + 1);
}

/** The contrary of {@linkcode halvesRow}: the checkpoint's row that llama.cpp has at `row`. */
export function splitRow(row: number, headDim: number): number {
  const inner = row % headDim;
  return row - inner + (inner % 2) * headDim / 2 + (inner >> 1);
}

/** All tensors of a checkpoint by name; those of the file that stand for none keep their name. */
export function viewsOf(
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  family: GgufFamily,
  sizes: GgufSizes,
): Map<string, View> {
  const views = new Map<string, View>();
  for (const [tensor, { shape }] of tensors) {
    for (const [name, view] of viewsInto(tensor, shape, family, sizes)) views.set(name, view);
  }
  joinFused(tensors, family, sizes, views);
  return views;
}

function viewsInto(
  tensor: string,
  shape: readonly number[],
  family: GgufFamily,
  sizes: GgufSizes,
): [string, View][] {
  const { prefix = "model.layers.", experts, interleaved, grouped } = family,
    { headDim, heads, kvHeads } = sizes;
  const whole: View = { rows: [{ tensor, start: 0, count: shape[0] ?? 1 }], shape };
  const match = /^(?:blk\.(\d+)\.)?([a-z0-9_]+?)(_exps)?(?:\.(\d+))?\.(weight|bias)$/.exec(tensor);
  if (match === null) return [[tensor, whole]];
  const [, layer, part, merged, expert, kind] = match;
  const full = (name: string) => `${layer === undefined ? "" : `${prefix}${layer}.`}${name}.${kind}`;
  if (part === "ffn_gate_inp" && experts !== undefined) return [[full(experts.router), whole]];
  if (merged !== undefined || expert !== undefined) {
    const role = expertRoles[part], name = experts && role && full(experts[role]);
    if (name === undefined) return [[tensor, whole]];
    if (expert !== undefined) return [[name.replace("{expert}", expert), whole]];
    return Array.from({ length: shape[0] ?? 1 }, (_, index) => [
      name.replace("{expert}", String(index)),
      { rows: [{ tensor, start: index, count: 1 }], shape: shape.slice(1) },
    ]);
  }
  const names: Readonly<Record<string, string>> = { ...llamaParts, ...family.parts };
  const halves = interleaved ? (row: number) => halvesRow(row, headDim) : undefined;
  if (part === "attn_qkv" && !Object.hasOwn(names, part)) {
    const q = heads * headDim, kv = kvHeads * headDim;
    const cut = (start: number, count: number): View => ({
      rows: [{ tensor, start, count }],
      shape: [count, ...shape.slice(1)],
    });
    return [
      [full(names.attn_q), { ...cut(0, q), order: halves }],
      [full(names.attn_k), { ...cut(q, kv), order: halves }],
      [full(names.attn_v), cut(q + kv, kv)],
    ];
  }
  if (!Object.hasOwn(names, part)) return [[tensor, whole]];
  if (names[part].includes("{head}")) {
    return Array.from({ length: shape[0] ?? 1 }, (_, head) => [
      full(names[part].replace("{head}", String(head))),
      { rows: [{ tensor, start: head, count: 1 }], shape: shape.slice(1) },
    ]);
  }
  if (part === "attn_qkv" && grouped !== undefined) {
    return [[full(names[part]), { ...whole, order: groupedRow(sizes, grouped) }]];
  }
  const turns = part === "attn_q" || part === "attn_k";
  return [[full(names[part]), turns ? { ...whole, order: halves } : whole]];
}

const expertRoles: Readonly<Record<string, "gate" | "up" | "down" | undefined>> = {
  ffn_gate: "gate",
  ffn_up: "up",
  ffn_down: "down",
};

/** Queries, keys and values that a file has apart and the checkpoint in one tensor. */
function joinFused(
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  { prefix = "model.layers.", parts, grouped }: GgufFamily,
  sizes: GgufSizes,
  views: Map<string, View>,
): void {
  const fused = parts?.attn_qkv;
  if (fused === undefined) return;
  for (let layer = 0; layer < sizes.layers; layer++) {
    for (const kind of ["weight", "bias"]) {
      const names = ["attn_q", "attn_k", "attn_v"].map((part) => `blk.${layer}.${part}.${kind}`);
      const found = names.map((name) => tensors.get(name)?.shape);
      const shapes = found.filter((shape) => shape !== undefined);
      if (shapes.length < 3) continue;
      const rows = names.map((tensor, i) => ({ tensor, start: 0, count: shapes[i][0] ?? 1 }));
      const count = rows.reduce((sum, one) => sum + one.count, 0);
      for (const part of ["q", "k", "v"]) {
        views.delete(`${prefix}${layer}.${llamaParts[`attn_${part}`]}.${kind}`);
      }
      views.set(`${prefix}${layer}.${fused}.${kind}`, {
        rows,
        shape: [count, ...shapes[0].slice(1)],
        ...(grouped && { order: groupedRow(sizes, grouped) }),
      });
    }
  }
}

/** Where rows stand that are grouped by head, among all queries, then all keys, then all values. */
function groupedRow(
  { heads, kvHeads, headDim }: GgufSizes,
  by: "heads" | "kvHeads",
): (row: number) => number {
  const groups = by === "heads" ? heads : kvHeads, queries = heads / groups * headDim;
  const size = queries + 2 * headDim;
  return (row) => {
    const group = Math.floor(row / size), inner = row % size;
    if (inner < queries) return group * queries + inner;
    const key = inner - queries < headDim, within = (inner - queries) % headDim;
    return heads * headDim + (key ? 0 : groups * headDim) + group * headDim + within;
  };
}
