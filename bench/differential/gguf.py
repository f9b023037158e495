"""Writes random valid GGUF files of every architecture the suite reads, with the logits that transformers computes on the same values.

usage: gguf.py OUT_DIR FIRST_SEED COUNT      (pip install gguf==0.19.0 transformers==5.24.0 torch)

A case is made backwards: a random configuration gives a transformers model; its tensors pass through the changes that llama.cpp's
converter makes (as positions, so that they can be undone), which gives names and shapes of the file; the stored bytes come from
`counter.py`, gguf-py decodes them, and the decoded values go back to the model. Files are written by gguf-py: types, splits, byte
orders, spellings of keys vary. One case in eight has a planted field that a reader must refuse by name. `OUT_DIR/cases.jsonl` has a
line a case, from which `gguf.ts` can write the same file again.
"""
import json, math, os, random, re, sys
here = sys.path.pop(0)  # this file has the package's name
import gguf, numpy as np, torch
from gguf import GGMLQuantizationType as Q, GGUFEndian, GGUFValueType as V
from transformers import AutoConfig, AutoModelForCausalLM, logging
sys.path.append(here)
from counter import bits, bytes_of, uniform

# For blocks: where float16 scales lie, and what part of the scale asked for each is; then the types by the length of rows they need.
SCALES = {Q.Q4_0: [(0, 1 / 8)], Q.Q4_1: [(0, 1 / 8), (2, -1)], Q.Q5_0: [(0, 1 / 16)], Q.Q5_1: [(0, 1 / 16), (2, -1)], Q.Q8_0: [(0, 1 / 127)],
          Q.Q2_K: [(80, 1 / 22), (82, 1 / 15)], Q.Q3_K: [(108, 1 / 128)], Q.Q4_K: [(0, 1 / 480), (2, 1 / 63)], Q.Q5_K: [(0, 1 / 976), (2, 1 / 63)],
          Q.Q6_K: [(208, 1 / 4096)], Q.IQ2_XXS: [(0, 1 / 166)], Q.IQ2_XS: [(0, 1 / 166)], Q.IQ2_S: [(0, 1 / 166)], Q.IQ3_XXS: [(0, 1 / 480)],
          Q.IQ3_S: [(0, 1 / 465)], Q.IQ1_S: [(0, 1 / 17)], Q.IQ4_NL: [(0, 1 / 127)], Q.IQ4_XS: [(0, 1 / 4064)], Q.TQ1_0: [(52, 1)],
          Q.TQ2_0: [(64, 1 / 2)], Q.MXFP4: [], Q.NVFP4: [], Q.IQ1_M: []}
PLAIN = [Q.F32, Q.F16, Q.BF16]
# Where a big-endian file has words of two bytes the other way round (gguf-py's conversion script); other blocks have no big-endian form.
WORDS = {Q.Q4_0: [0], Q.Q8_0: [0], Q.Q4_K: [0, 2], Q.Q6_K: [208], Q.MXFP4: [], Q.NVFP4: []}
ARCHS = {"llama": "llama", "mistral": "llama", "mixtral": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "qwen3_moe": "qwen3moe", "gemma": "gemma",
         "gemma2": "gemma2", "gemma3_text": "gemma3", "granite": "granite", "cohere": "command-r", "olmo": "olmo", "olmo2": "olmo2", "smollm3": "smollm3",
         "stablelm": "stablelm", "phi": "phi2", "phi3": "phi3", "starcoder2": "starcoder2", "bloom": "bloom", "falcon": "falcon", "gpt_neox": "gptneox",
         "gpt2": "gpt2"}
NORM_KEYS = {"rms": "attention.layer_norm_rms_epsilon", "layer": "attention.layer_norm_epsilon"}
LAYER_NORM = {"cohere": "layer_norm_eps", "olmo": None, "stablelm": "layer_norm_eps", "phi": "layer_norm_eps", "starcoder2": "norm_epsilon",
              "bloom": "layer_norm_epsilon", "falcon": "layer_norm_epsilon", "gpt_neox": "layer_norm_eps", "gpt2": "layer_norm_epsilon"}
INTERLEAVED = {"llama", "mistral", "mixtral", "granite", "olmo", "smollm3"}
UNSPLIT_HEAD = {"bloom", "falcon", "gpt_neox", "gpt2"}  # head_dim follows from the width


# Weights beside which llama.cpp looks for a scale of what the layer gives (`create_tensor(tn(LLM_TENSOR_FFN_UP, "scale", i), {1}, ...)`).
SCALED = re.compile(r"blk\.\d+\.(attn_(q|k|v|qkv|output)|ffn_(gate|up|down)(_exps)?)\.weight")


def stored(seed, name, kind, shape, scale, offset):
    """The bytes of a tensor and the float32 values that they stand for."""
    if kind in PLAIN:
        values = uniform(seed, name, shape, scale) + np.float32(offset)
        if kind == Q.F16: values = values.astype(np.float16)
        if kind == Q.BF16: values = (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
        raw = values.view(np.uint16) if kind == Q.F16 else (values.view(np.uint32) >> 16).astype(np.uint16) if kind == Q.BF16 else values
        return raw, values.astype(np.float32)
    block, size = gguf.GGML_QUANT_SIZES[kind]
    raw = bytes_of(seed, name, int(np.prod(shape)) // block * size).reshape(-1, size)
    for at, part in SCALES[kind]:
        raw[:, at:at + 2] = (scale * part * (1 + (raw[:, at] & 7) / 8)).astype("<f2").view(np.uint8).reshape(-1, 2)
    if kind == Q.MXFP4: raw[:, 0] = 128 + round(math.log2(scale / 12)) + (raw[:, 0] & 1)
    if kind == Q.NVFP4: raw[:, :4] = (round(math.log2(scale / 12)) + 8) * 8 | (raw[:, :4] & 7)
    if kind == Q.IQ1_M:
        d = (scale / 17 * (1 + (raw[:, 48] & 7) / 8)).astype(np.float16).view(np.uint16)
        for i in range(4): raw[:, 49 + 2 * i] = raw[:, 49 + 2 * i] & 15 | ((d >> np.uint16(4 * i)) & 15).astype(np.uint8) << 4
    raw = raw.reshape(*shape[:-1], -1)
    return raw, gguf.quants.dequantize(raw, kind).reshape(shape)


def permuted(x, heads):
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def regrouped(x, groups, queries, head):
    """Heads with query, key and value side by side: all queries, all keys, all values."""
    parts = x.reshape(groups, queries + 2, head, *x.shape[1:])
    return np.concatenate([p.reshape(-1, *x.shape[1:]) for p in (parts[:, :-2], parts[:, [-2]], parts[:, [-1]])])


def converted(c, name, x):
    """What llama.cpp's converter makes of a tensor: names (of checkpoints, for gguf-py's table; or of the file) and values."""
    kind = c["model_type"]
    if kind in INTERLEAVED and ".q_proj." in name: x = permuted(x, c["heads"])
    if kind in INTERLEAVED and ".k_proj." in name: x = permuted(x, c["kv"])
    if "query_key_value" in name: x = regrouped(x, c["groups"], c["heads"] // c["groups"], c["head"])
    if kind == "bloom": name = name.removeprefix("transformer.")
    if kind == "gpt2" and x.ndim == 2 and ".h." in name: x = x.T
    layer = name.split(".")[2] if ".layers." in name else None
    if name.endswith("experts.gate_up_proj"):
        half = x.shape[1] // 2
        return [(f"blk.{layer}.ffn_gate_exps.weight", x[:, :half]), (f"blk.{layer}.ffn_up_exps.weight", x[:, half:])]
    if name.endswith("experts.down_proj"): return [(f"blk.{layer}.ffn_down_exps.weight", x)]
    if kind in ("mixtral", "qwen3_moe") and name.endswith("mlp.gate.weight"): return [(f"blk.{layer}.ffn_gate_inp.weight", x)]
    return [(name, x)]


def positions(rng, c, kw, meta, tensors, fraction):
    """Rotary positions: the configuration's parameters, and the file's keys and tensors."""
    head, rotated = c["head"], int(c["head"] * fraction)
    theta = rng.choice([10000.0, 500000.0, 1e6, 25000.0])
    rope = {"rope_type": "default", "rope_theta": theta}
    if c["model_type"] in ("stablelm", "phi", "gpt_neox"): rope["partial_rotary_factor"] = fraction
    if theta != 10000.0 or rng.random() < 0.5: meta.append(("rope.freq_base", "float", theta))
    if rotated != head or rng.random() < 0.5: meta.append(("rope.dimension_count", "int", rotated))
    how = rng.choice(["none", "none", "linear", "old", "bare", "yarn", "longrope", "llama3", "off", "attn"])
    factor, original = rng.choice([2.0, 4.0, 8.0, 1.5]), rng.choice([16, 32, 64])
    if c["model_type"] in ("gemma3_text",) and how in ("longrope", "llama3", "attn"): how = "linear"
    if c["model_type"] == "phi3" and how not in ("none", "off", "longrope", "attn"): how = "none"
    if how in ("linear", "old", "bare", "off"):
        if how == "linear": meta.append(("rope.scaling.type", "str", "linear"))
        if how == "off": meta.append(("rope.scaling.type", "str", "none"))
        meta.append(("rope.scale_linear" if how == "old" else "rope.scaling.factor", "float", factor))
        if how != "off": rope.update(rope_type="linear", factor=factor)
    if how == "yarn":
        meta += [("rope.scaling.type", "str", "yarn"), ("rope.scaling.factor", "float", factor), ("rope.scaling.original_context_length", "int", original)]
        rope.update(rope_type="yarn", factor=factor, original_max_position_embeddings=original)
        if rng.random() < 0.4:
            fast, slow = rng.choice([16.0, 48.0]), rng.choice([0.5, 2.0])
            meta += [("rope.scaling.yarn_beta_fast", "float", fast), ("rope.scaling.yarn_beta_slow", "float", slow)]
            rope.update(beta_fast=fast, beta_slow=slow)
        if rng.random() < 0.3 and c["model_type"] != "gemma3_text":
            meta.append(("rope.scaling.attn_factor", "float", 0.75))
            rope.update(attention_factor=(0.1 * math.log(factor) + 1) * 0.75)
    if how in ("longrope", "attn"):
        short = [1.0] * (rotated // 2) if how == "attn" else [1 + (i % 5) / 4 for i in range(rotated // 2)]
        long = short if how == "attn" else [2 + (i % 7) / 2 for i in range(rotated // 2)]
        rope.update(rope_type="longrope", short_factor=short, long_factor=long, attention_factor=1.25, factor=2.0,
                    original_max_position_embeddings=original if how == "longrope" else c["context"])
        meta.append(("rope.scaling.attn_factor", "float", 1.25))
        if how == "longrope":
            meta += [("rope.scaling.type", "str", "longrope"), ("rope.scaling.original_context_length", "int", original)]
            tensors += [("rope_factors_short.weight", short), ("rope_factors_long.weight", long)]
            # This family has a key of its own for it, which goes first.
            if c["model_type"] == "phi3": kw["original_max_position_embeddings"] = original
    if how == "llama3":
        low, high = 1.0, 4.0
        rope.update(rope_type="llama3", factor=factor, low_freq_factor=low, high_freq_factor=high, original_max_position_embeddings=original)
        divisors = []
        for i in range(0, rotated, 2):
            wave = 2 * math.pi * theta ** (i / rotated)
            smooth = (original / wave - low) / (high - low)
            divisors.append(1.0 if wave < original / high else factor if wave > original / low else 1 / ((1 - smooth) / factor + smooth))
        tensors.append(("rope_freqs.weight", divisors))
    c["rope"] = how
    kw["rope_parameters"] = rope


def configuration(rng, c):
    """A configuration's keyword arguments, the file's metadata (without the architecture's name) and its extra tensors."""
    kind, meta, tensors, kw = c["model_type"], [], [], {}
    wide = rng.random() < 0.15
    heads = c["heads"] = rng.choice([2, 4])
    head = c["head"] = 64 if wide else rng.choice([8, 16]) if kind in UNSPLIT_HEAD else rng.choice([8, 16, 12])
    if wide: heads = c["heads"] = 4
    hidden = c["hidden"] = 256 if wide else 64 if heads * head == 64 or rng.random() < 0.5 and kind not in UNSPLIT_HEAD else heads * head if kind in UNSPLIT_HEAD else 32
    # Some graphs of llama.cpp have heads of the width's share only.
    if kind in ("qwen2", "cohere", "olmo", "olmo2", "stablelm", "phi", "phi3", "starcoder2"): head = c["head"] = hidden // heads
    kv = c["kv"] = heads if kind in ("bloom", "gpt_neox", "gpt2", "phi") else rng.choice([k for k in (1, 2, 4) if heads % k == 0])
    layers = c["layers"] = rng.choice([1, 2, 3]) if kind not in ("smollm3", "gemma3_text") else rng.choice([2, 4, 5])
    ff = c["ff"] = 4 * hidden if kind in ("bloom",) else rng.choice([64, 96, 256])
    context = c["context"] = rng.choice([64, 128])
    kw.update(vocab_size=c["vocab"], hidden_size=hidden, intermediate_size=ff, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv,
              max_position_embeddings=context, tie_word_embeddings=kind in ("gemma", "gemma2", "cohere") or (kind not in ("stablelm", "olmo2", "gpt_neox", "phi") and rng.random() < 0.4),
              pad_token_id=None, bos_token_id=None, eos_token_id=None, attn_implementation="eager")
    if kind not in UNSPLIT_HEAD: kw["head_dim"] = head
    meta += [("context_length", "int", context), ("embedding_length", "int", hidden), ("block_count", "int", layers),
             ("feed_forward_length", "ints" if rng.random() < 0.1 else "int", ff), ("attention.head_count", "ints" if rng.random() < 0.1 else "int", heads)]
    if kv != heads or rng.random() < 0.5: meta.append(("attention.head_count_kv", "ints" if rng.random() < 0.15 else "int", kv))
    if head * heads != hidden or rng.random() < 0.4: meta += [("attention.key_length", "int", head), ("attention.value_length", "int", head)]
    eps = 1e-5 if kind == "olmo" else rng.choice([1e-5, 1e-6, 1e-3])
    meta.append((NORM_KEYS["layer" if kind in LAYER_NORM else "rms"], "float", eps))
    kw[LAYER_NORM.get(kind, "rms_norm_eps") or "unused"] = eps
    kw.pop("unused", None)
    fraction = rng.choice([1.0, 0.5, 0.25]) if kind in ("stablelm", "phi", "gpt_neox") else 1.0
    if int(head * fraction) % 2: fraction = 1.0
    if kind not in ("bloom", "gpt2"): positions(rng, c, kw, meta, tensors, fraction)
    window = rng.choice([4, 7, 16])
    c["groups"] = kv if kind == "falcon" else heads
    if kind in ("mistral", "mixtral", "starcoder2", "phi3", "qwen2", "qwen3"):
        kw["sliding_window"] = None
        if rng.random() < (1 if kind == "mistral" else 0.3):
            kw["sliding_window"] = window
            meta.append(("attention.sliding_window", "int", window))
            if kind.startswith("qwen"): kw.update(use_sliding_window=True, max_window_layers=0)
        elif rng.random() < 0.3: meta.append(("attention.sliding_window", "int", 0))
    if kind in ("gemma2", "gemma3_text"):
        period = 2 if kind == "gemma2" else rng.choice([6, 2, 3])
        types = ["sliding_attention" if i % period < period - 1 else "full_attention" for i in range(layers)]
        if period == 6 and kind == "gemma3_text" and rng.random() < 0.5: pass
        elif kind == "gemma3_text" and rng.random() < 0.5: meta.append(("attention.sliding_window_pattern", "int", period))
        elif kind == "gemma3_text" or rng.random() < 0.4:
            types = [rng.choice(["sliding_attention", "full_attention"]) for _ in range(layers)]
            meta.append(("attention.sliding_window_pattern", "bools", [t == "sliding_attention" for t in types]))
        if kind == "gemma2" and rng.random() < 0.2: window = 4096
        elif kind == "gemma3_text" and rng.random() < 0.2:
            # Nothing is said of a window: there is none.
            types = ["full_attention"] * layers
            if rng.random() < 0.5: meta.append(("attention.sliding_window", "int", 0))
        else: meta.append(("attention.sliding_window", "int", window))
        kw.update(sliding_window=window, layer_types=types, query_pre_attn_scalar=head)
        caps = [("final_logit_softcapping", 30.0)] + ([("attn_logit_softcapping", 50.0)] if kind == "gemma2" else [])
        for key, default in caps:
            kw[key] = default if kind == "gemma2" else None
            if rng.random() < 0.6:
                kw[key] = rng.choice([5.0, 20.0, None])
                meta.append((key, "float", kw[key] or 0.0))
        if kind == "gemma3_text":
            base = 10000.0 if rng.random() < 0.4 else 5000.0
            if base != 10000.0: meta.append(("rope.freq_base_swa", "float", base))
            kw["rope_parameters"] = {"full_attention": kw["rope_parameters"], "sliding_attention": {"rope_type": "default", "rope_theta": base}}
    if kind in ("gemma", "gemma2", "gemma3_text"): kw["hidden_activation"] = "gelu_pytorch_tanh"
    if kind in ("llama", "granite", "smollm3"):
        kw.update(attention_bias=rng.random() < 0.3, mlp_bias=kind != "smollm3" and rng.random() < 0.3)
    if kind == "granite":
        kw.update(logits_scaling=rng.choice([1.0, 4.0]), residual_multiplier=1.0, embedding_multiplier=1.0, attention_multiplier=head ** -0.5)
        meta.append(("logit_scale", "float", kw["logits_scaling"]))
        for key, name, value in (("residual_scale", "residual_multiplier", 0.22), ("embedding_scale", "embedding_multiplier", 12.0),
                                 ("attention.scale", "attention_multiplier", 0.0625)):
            if rng.random() < 0.6:
                kw[name] = value
                meta.append((key, "float", value))
    if kind == "cohere":
        kw["logit_scale"] = rng.choice([0.0625, 1.0, 0.5])
        if kw["logit_scale"] != 1.0: meta.append(("logit_scale", "float", kw["logit_scale"]))
    if kind == "olmo" and rng.random() < 0.5:
        kw["clip_qkv"] = 0.5
        meta.append(("attention.clamp_kqv", "float", 0.5))
    if kind == "stablelm": kw.update(use_parallel_residual=rng.random() < 0.4, use_qkv_bias=rng.random() < 0.5, qk_layernorm=rng.random() < 0.4)
    if kind == "gpt_neox":
        kw["use_parallel_residual"] = rng.random() < 0.5
        meta.append(("use_parallel_residual", "bool", kw["use_parallel_residual"]))
    if kind == "starcoder2": kw.update(use_bias=True, hidden_act="gelu_pytorch_tanh")
    if kind == "falcon":
        kw.update(new_decoder_architecture=True, num_kv_heads=kv, ffn_hidden_size=ff, bias=False, alibi=False, num_ln_in_parallel_attn=rng.choice([1, 2]))
    if kind in ("mixtral", "qwen3_moe"):
        experts, used = rng.choice([4, 3]), 2
        meta += [("expert_count", "int", experts), ("expert_used_count", "int", used)]
        kw.update(num_experts_per_tok=used)
        if kind == "mixtral": kw.update(num_local_experts=experts)
        else:
            own = ff if rng.random() < 0.7 else None
            if own: meta.append(("expert_feed_forward_length", "int", own))
            kw.update(num_experts=experts, moe_intermediate_size=own or ff // used, norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[])
    if kind == "gpt2": kw = {**{k: v for k, v in kw.items() if not k.startswith("num_")}, "n_embd": hidden, "n_inner": ff, "n_layer": layers, "n_head": heads, "n_positions": context}
    if kind == "bloom": kw.update(n_layer=layers, n_head=heads, seq_length=context)
    return kw, meta, tensors


# Fields that change what is computed and are not known here, with what a message must name.
PLANTED = [("attention.causal", "bool", False), ("attention.temperature_scale", "float", 0.1), ("attention.value_length", "int", 4),
           ("rope.scaling.yarn_ext_factor", "float", 0.5), ("rope.scaling.alpha", "float", 1000.0), ("rope.dimension_sections", "list", [2, 2, 2, 0]),
           ("attention.key_length_mla", "int", 8), ("expert_shared_count", "int", 1), ("expert_weights_scale", "float", 2.5), ("nextn_predict_layers", "int", 1),
           ("attention.output_scale", "float", 0.5), ("ssm.conv_kernel", "int", 4), ("rope.freq_base_global", "float", 5e5), ("swiglu_clamp_exp", "float", 7.0),
           ("attention.shared_kv_layers", "int", 1), ("expert_group_count", "int", 4), ("embedding_length_per_layer_input", "int", 8),
           ("general.type", "str", "adapter"), ("rope.scaling.type", "str", "dynamic"), ("expert_gating_func", "int", 2), ("router_logit_softcapping", "float", 30.0),
           ("tensor", "blk.0.attn_sinks.weight", None), ("tensor", "blk.0.ffn_gate.scale", None), ("tensor", "cls.output.weight", None)]
KINDS = {"u32": [V.UINT32], "float": [V.FLOAT32, V.FLOAT32, V.FLOAT32, V.FLOAT64], "int": [V.UINT32, V.UINT32, V.UINT64, V.INT32, V.INT64, V.UINT16], "str": [V.STRING], "bool": [V.BOOL]}


def make(seed, out):
    rng = random.Random(seed)
    kind = rng.choice(list(ARCHS))
    c = {"model_type": kind, "vocab": rng.choice([48, 61])}
    kw, meta, extra = configuration(rng, c)
    arch = ARCHS[kind]
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **kw)
    config._experts_implementation = "eager"  # the fast one has no float64
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    tied = getattr(model.config, "tie_word_embeddings", False)
    table = gguf.get_tensor_name_map({v: k for k, v in gguf.MODEL_ARCH_NAMES.items()}[arch], c["layers"])
    names, homes = {}, {}
    state = {k: v for k, v in model.state_dict().items() if not (tied and k in ("lm_head.weight", "embed_out.weight"))}
    heads = {}
    for name, value in state.items():
        place = np.arange(value.numel()).reshape(value.shape)
        if ".norms." in name:  # one norm a head: stacked
            stem, _, last = name.partition(".norms.")
            heads.setdefault(stem, []).append((int(last.split(".")[0]), name, place))
            continue
        for other, moved in converted(c, name, place):
            own = other if other.startswith("blk.") else table.get_name(other, try_suffixes=(".weight", ".bias"))
            assert own, name
            homes.setdefault(own, []).append((name, moved))
            names[own] = moved.shape
    for stem, parts in heads.items():
        own = table.get_name(stem + ".weight", try_suffixes=(".weight",))
        homes[own] = [(n, p) for _, n, p in sorted(parts)]
        names[own] = (len(parts), *parts[0][2].shape)
    fuse = kind in ("llama", "mistral", "qwen2", "qwen3", "gemma", "granite", "starcoder2", "phi") and rng.random() < 0.15
    part = kind in ("phi3",) and rng.random() < 0.3
    old = kind == "mixtral" and rng.random() < 0.4
    big, split = rng.random() < 0.1, rng.choice([0, 0, 0, 0, 2, 5])
    arrange(c, names, homes, fuse, part, old)
    tensors = []
    for own, shape in names.items():
        row, vector = shape[-1], len(shape) == 1 or own.endswith("_norm.weight")
        fit = [q for q in SCALES if row % gguf.GGML_QUANT_SIZES[q][0] == 0 and (not big or q in WORDS)]
        options = [Q.F32] if vector else rng.choice([PLAIN, fit or PLAIN, fit or PLAIN])
        norm = vector and own.endswith("norm.weight") or own.endswith("attn_norm_2.weight")
        scale = 0.3 if norm else 0.2 if vector else 0.5 if "embd" in own else 2.5 / math.sqrt(row)
        tensors.append([own, rng.choice(options).name, list(shape), scale, 1.0 if norm else 0.0])
    rng.shuffle(tensors)
    planted = None
    if rng.random() < 0.125:
        key, what, value = rng.choice(PLANTED)
        if key == "tensor":
            planted = what
            tensors.append([what, "F32", [8, 8], 0.1, 0.0])
        elif key == "expert_gating_func" and kind not in ("mixtral", "qwen3_moe"): pass
        else:
            meta = [m for m in meta if m[0] != key] + [(key, what, value)]
            planted = key
    # Of its own generator, so that other cases stay what they were.
    luck = random.Random(f"{seed} scales")
    for own, _, shape, *_ in tensors if luck.random() < 0.25 else []:
        if not SCALED.fullmatch(own) or own.replace("weight", "scale") == planted or luck.random() < 0.3: continue
        count = shape[0] if own.endswith("_exps.weight") and luck.random() < 0.7 else 1
        extra.append((own.replace("weight", "scale"), [float(np.float32(luck.uniform(0.5, 2))) for _ in range(count)]))
        if luck.random() < 0.3: extra.append((own.replace("weight", "input_scale"), [0.125] * count))
    entries = [["general.architecture", "STRING", arch]]
    for key, what, value in [("general.name", "str", "random"), ("general.file_type", "u32", 1), *meta]:
        full = key if key.startswith("general.") else f"{arch}.{key}"
        if what in ("ints", "bools", "list"):
            values = [value] * c["layers"] if what == "ints" else value
            entries.append([full, ["ARRAY", "BOOL" if what == "bools" else rng.choice(["INT32", "UINT32", "UINT64"])], values])
        else: entries.append([full, rng.choice(KINDS[what]).name, value])
    if rng.random() < 0.3: entries += [["quantize.imatrix.chunks_count", "INT32", 5], [f"{arch}.vocab_size", "UINT32", c["vocab"]], [f"{arch}.rope.scaling.finetuned", "BOOL", True]]
    body = entries[1:]
    rng.shuffle(body)
    count = 48 if kind in ("gpt2", "bloom") or rng.random() < 0.7 else 24
    ids = [int(x) % c["vocab"] for x in bits(seed, "ids", count)]
    case = {"seed": seed, "arch": arch, "modelType": kind, "meta": entries[:1] + body, "tensors": tensors, "lists": extra, "big": big, "split": split,
            "ending": rng.random() < 0.8, "ids": ids, "planted": planted, "rope": c.get("rope")}
    values = write(case, f"{out}/{seed}")
    if planted is None:
        with torch.no_grad():
            fill(model, state, homes, values, kind)
            # In float64, so that the difference is the reader's alone.
            case["logits"] = model.double()(torch.tensor([ids])).logits[0].numpy().astype(np.float32)
    return case


def arrange(c, names, homes, fuse, part, old):
    """Other layouts of the same tensors: queries, keys and values in one or apart, experts merged or apart."""
    q, kv = c["heads"] * c["head"], c["kv"] * c["head"]
    for layer in range(c["layers"]):
        for suffix in ("weight", "bias"):
            own = [f"blk.{layer}.attn_{x}.{suffix}" for x in "qkv"]
            if fuse and all(n in names for n in own):
                homes[f"blk.{layer}.attn_qkv.{suffix}"] = [h for n in own for h in homes.pop(n)]
                names[f"blk.{layer}.attn_qkv.{suffix}"] = (q + 2 * kv, *names[own[0]][1:])
                for n in own: del names[n]
            if part and (fused := f"blk.{layer}.attn_qkv.{suffix}") in names:
                (name, place), = homes.pop(fused)
                del names[fused]
                for n, (a, b) in zip(own, ((0, q), (q, q + kv), (q + kv, q + 2 * kv))):
                    homes[n], names[n] = [(name, place[a:b])], place[a:b].shape
        for role in ("gate", "up", "down") if old else ():
            (name, place), = homes.pop(f"blk.{layer}.ffn_{role}_exps.weight")
            del names[f"blk.{layer}.ffn_{role}_exps.weight"]
            for e in range(place.shape[0]):
                homes[f"blk.{layer}.ffn_{role}.{e}.weight"], names[f"blk.{layer}.ffn_{role}.{e}.weight"] = [(name, place[e])], place[e].shape


def fill(model, state, homes, values, kind):
    """Puts the file's values where they came from."""
    flat = {name: np.full(value.numel(), np.nan, dtype=np.float32) for name, value in state.items()}
    for own, parts in homes.items():
        source, at = values[own].reshape(-1), 0
        for name, place in parts:
            flat[name][place.reshape(-1)] = source[at:at + place.size]
            at += place.size
    for name, value in flat.items():
        assert not np.isnan(value).any(), name
        if kind.startswith("gemma") and name.endswith("norm.weight"): value = value - np.float32(1)
        state[name].copy_(torch.from_numpy(value).reshape(state[name].shape))
    model.tie_weights()


def write(case, stem):
    """Writes the file or files of a case; the values of its tensors by name."""
    ending = ".gguf" if case["ending"] or case["split"] else ""
    endian = GGUFEndian.BIG if case["big"] else GGUFEndian.LITTLE
    writer = gguf.GGUFWriter(f"{stem}.gguf", case["arch"], endianess=endian, split_max_tensors=case["split"])
    for key, kind, value in case["meta"][1:]:
        if isinstance(kind, list): writer.add_key_value(key, value, V.ARRAY, sub_type=V[kind[1]])
        else: writer.add_key_value(key, value, V[kind])
    values = {}
    for name, kind, shape, scale, offset in case["tensors"]:
        q = Q[kind]
        raw, values[name] = stored(case["seed"], name, q, shape, scale, offset)
        if case["big"] and q in WORDS:
            rows = raw.reshape(-1, gguf.GGML_QUANT_SIZES[q][1])
            for at in WORDS[q]: rows[:, [at, at + 1]] = rows[:, [at + 1, at]]
        writer.add_tensor(name, raw, raw_dtype=q)
    for name, numbers in case["lists"]:
        numbers = np.array(numbers, dtype=np.float32)
        writer.add_tensor(name, numbers)
        if name.endswith(".scale"):
            weight = name.replace("scale", "weight")
            values[weight] = values[weight] * numbers.reshape(-1, *[1] * (values[weight].ndim - 1))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    if not ending: os.rename(f"{stem}.gguf", stem)
    return values


if __name__ == "__main__":
    out, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    os.makedirs(out, exist_ok=True)
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    with open(f"{out}/cases.jsonl", "w") as lines:
        for seed in range(first, first + count):
            case = make(seed, out)
            logits = case.pop("logits", None)
            if logits is not None:
                logits.tofile(f"{out}/{seed}.f32")
                places = [int(x) % logits.size for x in bits(seed, "probes", 12)]
                case["deviation"] = round(float(logits.std()), 6)
                case["probes"] = [[p, float(logits.reshape(-1)[p])] for p in places]
            lines.write(json.dumps(case) + "\n")
