"""Random decoders of every model type that the suite reads, with the logits that transformers computes: one line of JSON each.

    python models.py FIRST LAST [--few] [--type mamba] | deno run -A bench/differential/models.ts     (transformers 5.24)

A seed gives a configuration in the spelling of either library generation, or of both mixed, weights (counter.py) under
the names that checkpoints use, and token ids. transformers loads the same two files that models.ts writes. Configurations
that it refuses are counted, not used.
"""
import base64, json, logging, math, os, random, re, shutil, sys, tempfile, warnings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "critical"
warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import AutoConfig, AutoModelForCausalLM

from counter import uniform

torch.set_num_threads(1)
try:
    from transformers.utils import logging as library_logging
    library_logging.disable_progress_bar()
except ImportError:
    pass

TYPES = """bloom cohere falcon gemma gemma2 gemma3_text gpt2 gpt_neox gptj granite llama mistral mixtral olmo olmo2 opt phi
phi3 qwen2 qwen3 qwen3_moe smollm3 stablelm starcoder2""".split()
# A type that came later has seeds of its own, so that those before keep theirs: --type.
ONLY = sys.argv[sys.argv.index("--type") + 1] if "--type" in sys.argv else None
ACTIVATIONS = ["silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu"]


def tensor(seed, name, shape):
    """Matrices that keep the size of what they read, small biases, norms around 1."""
    if len(shape) > 1:
        return uniform(seed, name, shape, math.sqrt(3 / shape[-1]))
    if name.endswith("bias"):
        return uniform(seed, name, shape, 0.1)
    return np.float32(1) + uniform(seed, name, shape, 0.2)


class Draw(random.Random):
    def chance(self, p):
        return self.random() < p

    def number(self, low, high):
        return round(self.uniform(low, high), self.choice([1, 2, 4]))


def sizes(r):
    """Common to all: tiny, and seldom round."""
    kv = r.choice([1, 1, 2, 2, 3, 4])
    heads = kv * r.choice([1, 1, 2, 3, 4])
    head = r.choice([4, 6, 8, 8, 10, 12, 16])
    return kv, heads, head, r.choice([1, 2, 2, 3, 4]), r.choice([24, 40, 44, 64]), r.randint(40, 96)


def scaling(r, head, positions, kinds):
    """A rotary section without theta, and the number of original positions that belongs to it."""
    kind, original = r.choice(kinds), r.choice([8, 12, 16])
    section = {}
    if kind in ("linear", "dynamic", "yarn", "llama3"):
        section["factor"] = r.choice([1.0, 1.5, 2.0, 4.0, 8, 32.0])
    if kind == "yarn":
        for key, value in (("beta_fast", r.choice([4, 16.0, 32])), ("beta_slow", r.choice([0.5, 1, 2])),
                           ("attention_factor", r.number(0.7, 1.4)), ("truncate", r.chance(0.5)),
                           ("mscale", r.choice([1.0, 0.707])), ("mscale_all_dim", r.choice([1.0, 0.8, 0.707]))):
            if r.chance(0.3):
                section[key] = value
    if kind == "llama3":
        section |= {"low_freq_factor": r.choice([1, 1.0, 2.0]), "high_freq_factor": r.choice([4, 4.0, 3.0])}
    if kind == "longrope":
        section |= {side: [r.number(1, 1 + 4 * k) for _ in range(head // 2)] for k, side in ((1, "short_factor"), (6, "long_factor"))}
        if r.chance(0.3):
            section["attention_factor"] = r.number(0.8, 1.4)
        if r.chance(0.3):
            section["factor"] = r.choice([2.0, 4.0])
    if kind in ("yarn", "llama3", "longrope") and r.chance(0.85):
        section["original_max_position_embeddings"] = original
    if kind != "default" or r.chance(0.5):
        section["rope_type"] = kind
    return section


def rotary(r, c, head, positions, kinds=("default", "default", "default", "linear", "dynamic", "yarn", "llama3", "longrope"),
           share=None, theta_key="rope_theta", share_key="partial_rotary_factor"):
    """Puts theta, share and scaling into one of the places where files have them."""
    theta = r.choice([None, 100.0, 1000, 10000.0, 500000.0, 1e6])
    width = head if share is None else int(head * share)
    section = scaling(r, width, positions, kinds)
    place = r.choice(["old", "old", "new", "new", "theta inside", "theta on top"])
    if place in ("old", "theta inside"):
        if r.chance(0.4) and "rope_type" in section:
            section["type"] = section["rope_type"]
            if r.chance(0.7):
                del section["rope_type"]
        if "rope_type" not in section and "type" not in section:
            section = None if not section or r.chance(0.5) else section
        if place == "theta inside" and section and theta is not None:
            section["rope_theta"], theta = theta, r.choice([None, theta])
        if section or r.chance(0.6):
            c["rope_scaling"] = section
        if theta is not None:
            c[theta_key] = theta
        if share is not None:
            c[share_key] = share
        return
    if theta is not None:
        if place == "new":
            section["rope_theta"] = theta
        else:
            c[theta_key] = theta
    if share is not None:
        if place == "new" or r.chance(0.3):
            section["partial_rotary_factor"] = share
        else:
            c[share_key] = share
    c["rope_parameters"] = section


def common(r, kind, kv, heads, head, layers, inner, vocab, positions, **options):
    """Keys that most types share."""
    c = {"model_type": kind, "vocab_size": vocab, "hidden_size": heads * head, "intermediate_size": inner,
         "num_hidden_layers": layers, "num_attention_heads": heads, "max_position_embeddings": positions}
    if options.get("grouped", True) and (kv != heads or r.chance(0.7)):
        c["num_key_value_heads"] = kv
    if options.get("act"):
        key = options["act"]
        if r.chance(0.5):
            c[key] = r.choice(ACTIVATIONS)
    if options.get("eps") and r.chance(0.8):
        c[options["eps"]] = r.choice([1e-5, 1e-6, 1e-3, 1e-12, 0.1])
    if r.chance(0.6):
        c["tie_word_embeddings"] = r.chance(0.5)
    return c


def windows(r, c, layers, names=("full_attention", "sliding_attention")):
    if r.chance(0.5):
        c["layer_types"] = [r.choice(names) for _ in range(layers)]


def own_head(r, c, heads, head):
    """A head size of its own."""
    if r.chance(0.5):
        size = r.choice([4, 6, 8, 12])
        c["head_dim"] = size
        if r.chance(0.7):
            c["hidden_size"] = r.choice([16, 24, 36])
        return size
    if r.chance(0.3):
        c["head_dim"] = None if r.chance(0.3) else head
    return head


def configuration(r, kind):
    kv, heads, head, layers, inner, vocab = sizes(r)
    positions = r.choice([32, 48, 64])
    args = (kv, heads, head, layers, inner, vocab, positions)
    llama = dict(act="hidden_act", eps="rms_norm_eps")
    if kind == "bloom":
        c = {"model_type": kind, "vocab_size": vocab, "hidden_size": heads * head, "n_layer": layers, "n_head": heads}
        for key, value in (("seq_length", positions), ("layer_norm_epsilon", r.choice([1e-5, 1e-3])), ("slow_but_exact", True),
                           ("apply_residual_connection_post_layernorm", r.chance(0.3)), ("tie_word_embeddings", r.chance(0.8)),
                           ("pretraining_tp", r.choice([1, 2])), ("hidden_dropout", 0.1)):
            if r.chance(0.5):
                c[key] = value
        if r.chance(0.3):
            c["n_embed"] = c["hidden_size"]
        return c
    if kind == "cohere":
        c = common(r, kind, *args, act="hidden_act", eps="layer_norm_eps")
        for key, value in (("logit_scale", r.choice([0.0625, 1.0, 0.5])), ("use_qk_norm", r.chance(0.5)), ("attention_bias", r.chance(0.5))):
            if r.chance(0.6):
                c[key] = value
        rotary(r, c, head, positions)
        return c
    if kind == "falcon":
        c = {"model_type": kind, "vocab_size": vocab, "hidden_size": heads * head, "num_hidden_layers": layers, "num_attention_heads": heads}
        if r.chance(0.3):
            c["n_layer"], c["n_head"] = c.pop("num_hidden_layers"), c.pop("num_attention_heads")
            if r.chance(0.5):
                c |= {"num_hidden_layers": layers, "num_attention_heads": heads}
        for key, value in (("alibi", r.chance(0.3)), ("multi_query", r.chance(0.5)), ("parallel_attn", r.chance(0.6)), ("bias", r.chance(0.4)),
                           ("layer_norm_epsilon", r.choice([1e-5, 1e-3])), ("ffn_hidden_size", inner), ("activation", r.choice(ACTIVATIONS)),
                           ("tie_word_embeddings", r.chance(0.6)), ("num_ln_in_parallel_attn", r.choice([1, 2])), ("max_position_embeddings", positions)):
            if r.chance(0.5):
                c[key] = value
        if r.chance(0.4):
            c["new_decoder_architecture"] = r.chance(0.8)
        if r.chance(0.5):
            c[r.choice(["num_kv_heads", "n_head_kv"])] = kv
        if not c.get("alibi"):
            rotary(r, c, head, positions)
        return c
    if kind in ("gemma", "gemma2", "gemma3_text"):
        act = "hidden_act" if kind == "gemma" else "hidden_activation"
        c = common(r, kind, *args, eps="rms_norm_eps")
        if r.chance(0.5):
            c[act] = r.choice(["gelu_pytorch_tanh", "gelu", "silu"])
        if kind == "gemma" and r.chance(0.3):
            c["hidden_activation"] = r.choice([None, "gelu_pytorch_tanh", "gelu"])
        c["head_dim"] = head = r.choice([4, 8, 12])
        if r.chance(0.5):
            c["hidden_size"] = r.choice([16, 24, 36])
        if r.chance(0.4):
            c["attention_bias"] = r.chance(0.6)
        if kind == "gemma":
            rotary(r, c, head, positions)
            return c
        for key, value in (("query_pre_attn_scalar", r.choice([head, 16, 20])), ("sliding_window", r.choice([1, 2, 5, 8, 4096])),
                           ("attn_logit_softcapping", r.choice([None, 2.0, 50.0])), ("final_logit_softcapping", r.choice([None, 4.0, 30.0]))):
            if r.chance(0.6):
                c[key] = value
        if r.chance(0.4):
            c["layer_types"] = [r.choice(["full_attention", "sliding_attention"]) for _ in range(layers)]
        if kind == "gemma2":
            rotary(r, c, head, positions)
            return c
        if r.chance(0.4):
            c["sliding_window_pattern"] = r.choice([1, 2, 3])
        if r.chance(0.1):
            c["use_bidirectional_attention"] = r.chance(0.5)
        if r.chance(0.5):
            for key, value in (("rope_theta", r.choice([1000.0, 1e6])), ("rope_local_base_freq", r.choice([100.0, 10000.0]))):
                if r.chance(0.7):
                    c[key] = value
            if r.chance(0.5):
                c["rope_scaling"] = r.choice([None, {"rope_type": "linear", "factor": 8.0}, {"type": "linear", "factor": 2.0}])
        else:
            c["rope_parameters"] = {
                "full_attention": {"rope_type": "default", "rope_theta": 1e6},
                "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
            }
            if r.chance(0.4):
                c["rope_parameters"]["full_attention"] |= {"rope_type": "linear", "factor": r.choice([2.0, 8.0])}
            if r.chance(0.3):
                c["rope_parameters"][r.choice(["full_attention", "sliding_attention"])].pop("rope_theta")
        return c
    if kind == "gpt2":
        c = {"model_type": kind, "vocab_size": vocab, "n_embd": heads * head, "n_layer": layers, "n_head": heads, "n_positions": positions}
        for key, value in (("n_inner", r.choice([None, inner])), ("activation_function", r.choice(ACTIVATIONS)), ("layer_norm_epsilon", r.choice([1e-5, 1e-3])),
                           ("scale_attn_weights", r.chance(0.6)), ("scale_attn_by_inverse_layer_idx", r.chance(0.4)),
                           ("reorder_and_upcast_attn", r.chance(0.4)), ("tie_word_embeddings", r.chance(0.8)), ("n_ctx", positions), ("resid_pdrop", 0.1)):
            if r.chance(0.4):
                c[key] = value
        return c
    if kind == "gptj":
        c = {"model_type": kind, "vocab_size": vocab, "n_embd": heads * head, "n_layer": layers, "n_head": heads, "n_positions": positions,
             "rotary_dim": r.choice([2, 4, head])}
        if r.chance(0.1):
            c["rotary_dim"] = None
        for key, value in (("n_inner", r.choice([None, inner])), ("activation_function", r.choice(ACTIVATIONS)), ("layer_norm_epsilon", r.choice([1e-5, 1e-3])),
                           ("tie_word_embeddings", r.chance(0.4)), ("rotary", True)):
            if r.chance(0.4):
                c[key] = value
        return c
    if kind == "gpt_neox":
        c = common(r, kind, *args, grouped=False, act="hidden_act", eps="layer_norm_eps")
        for key, value in (("use_parallel_residual", r.chance(0.5)), ("attention_bias", r.chance(0.5)), ("rope_theta", 500.0)):
            if r.chance(0.3):
                c[key] = value
        rotary(r, c, head, positions, share=r.choice([None, 0.25, 0.5, 1.0]), theta_key="rotary_emb_base", share_key=r.choice(["rotary_pct", "rotary_pct", "partial_rotary_factor"]))
        return c
    if kind == "granite":
        c = common(r, kind, *args, **llama)
        for key in ("embedding_multiplier", "logits_scaling", "residual_multiplier", "attention_multiplier"):
            if r.chance(0.7):
                c[key] = r.choice([1.0, 0.5, 2, 0.22])
        for key in ("attention_bias", "mlp_bias"):
            if r.chance(0.4):
                c[key] = r.chance(0.5)
        rotary(r, c, head, positions)
        return c
    if kind in ("llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3_moe", "smollm3", "starcoder2", "olmo", "olmo2", "phi3", "phi", "stablelm"):
        eps = {"phi": "layer_norm_eps", "stablelm": "layer_norm_eps", "starcoder2": "norm_epsilon", "olmo": None}.get(kind, "rms_norm_eps")
        c = common(r, kind, *args, act="hidden_act", eps=eps)
        if kind in ("llama", "mistral", "mixtral", "qwen3", "qwen3_moe"):
            head = own_head(r, c, heads, head)
            if kind in ("qwen3", "qwen3_moe") and c.get("head_dim") is None:
                c["head_dim"] = head
        share = None
        if kind in ("phi", "stablelm"):
            share = r.choice([None, 0.25, 0.5, 0.4, 1.0])
        elif kind == "phi3":
            share = r.choice([None, None, 0.5, 1.0])
        elif r.chance(0.05):
            share = r.choice([0.5, 1.0])
        rotary(r, c, head, positions, share=share)
        extra = {
            "llama": [("attention_bias", r.chance(0.5)), ("mlp_bias", r.chance(0.5)), ("pretraining_tp", r.choice([1, 2]))],
            "mistral": [("sliding_window", r.choice([None, 1, 3, 8, 4096]))],
            "mixtral": [("sliding_window", r.choice([None, 3, 8])), ("router_jitter_noise", 0.0), ("output_router_logits", False)],
            "qwen2": [("use_sliding_window", r.chance(0.6)), ("sliding_window", r.choice([None, 2, 5, 32768])), ("max_window_layers", r.randint(0, layers))],
            "qwen3": [("use_sliding_window", r.chance(0.6)), ("sliding_window", r.choice([None, 2, 5])), ("max_window_layers", r.randint(0, layers)), ("attention_bias", r.chance(0.5))],
            "qwen3_moe": [("use_sliding_window", r.chance(0.3)), ("sliding_window", r.choice([None, 4])), ("attention_bias", r.chance(0.4)), ("max_window_layers", 1),
                          ("norm_topk_prob", r.chance(0.5)), ("decoder_sparse_step", r.choice([1, 2])), ("mlp_only_layers", [r.randrange(layers)])],
            "smollm3": [("use_sliding_window", r.chance(0.4)), ("sliding_window", r.choice([None, 4])), ("no_rope_layer_interval", r.choice([1, 2, 3])),
                        ("attention_bias", r.chance(0.4)), ("mlp_bias", r.chance(0.4))],
            "starcoder2": [("sliding_window", r.choice([None, 3, 8])), ("use_bias", r.chance(0.6)), ("mlp_type", "default"), ("norm_type", "layer_norm")],
            "olmo": [("clip_qkv", r.choice([None, 0.5, 3.0])), ("attention_bias", r.chance(0.4))],
            "olmo2": [("attention_bias", r.chance(0.4))],
            "phi3": [("sliding_window", r.choice([None, 3, 8])), ("original_max_position_embeddings", r.choice([8, 16]))],
            "phi": [("qk_layernorm", r.chance(0.5))],
            "stablelm": [("use_qkv_bias", r.chance(0.6)), ("qk_layernorm", r.chance(0.5)), ("use_parallel_residual", r.chance(0.5))],
        }[kind]
        for key, value in extra:
            if r.chance(0.5):
                c[key] = value
        if kind == "smollm3" and r.chance(0.4):
            c["no_rope_layers"] = [r.choice([0, 1]) for _ in range(layers)]
        if kind in ("qwen2", "qwen3", "smollm3") and r.chance(0.4):
            windows(r, c, layers)
        if kind == "mixtral":
            c |= {"num_local_experts": (n := r.choice([2, 3, 4])), "num_experts_per_tok": r.randint(1, min(2, n))}
        if kind == "qwen3_moe":
            c |= {r.choice(["num_experts", "num_local_experts"]): (n := r.choice([2, 3, 4])), "num_experts_per_tok": r.randint(1, n), "moe_intermediate_size": r.choice([12, 20])}
        if kind in ("phi3", "smollm3"):  # the default lies beyond a tiny vocabulary
            c["pad_token_id"] = r.choice([None, 1])
        return c
    if kind == "mamba":
        hidden = r.choice([12, 16, 24, 40])
        c = {"model_type": kind, "vocab_size": vocab, "hidden_size": hidden, "num_hidden_layers": layers}
        for key, value in (("state_size", r.choice([1, 3, 4, 8, 16])), ("conv_kernel", r.choice([1, 2, 3, 4, 6])), ("expand", r.choice([1, 2, 3])),
                           ("time_step_rank", r.choice(["auto", 1, 2, 5])), ("use_bias", r.chance(0.5)), ("use_conv_bias", r.chance(0.5)),
                           ("hidden_act", r.choice(["silu", "silu", *ACTIVATIONS])), ("layer_norm_epsilon", r.choice([1e-5, 1e-3, 0.1])),
                           ("tie_word_embeddings", r.chance(0.5)), ("residual_in_fp32", r.chance(0.5)), ("rescale_prenorm_residual", r.chance(0.5)),
                           ("time_step_scale", r.choice([1.0, 2.0])), ("use_mambapy", r.chance(0.3))):
            if r.chance(0.6):
                c[key] = value
        if r.chance(0.4):
            c["intermediate_size"] = hidden * c.get("expand", 2)
        return c
    assert kind == "opt"
    c = {"model_type": kind, "vocab_size": vocab, "hidden_size": heads * head, "ffn_dim": inner, "num_hidden_layers": layers,
         "num_attention_heads": heads, "max_position_embeddings": positions, "word_embed_proj_dim": heads * head}
    for key, value in (("do_layer_norm_before", r.chance(0.6)), ("word_embed_proj_dim", r.choice([12, 16])), ("activation_function", r.choice(ACTIVATIONS)),
                       ("enable_bias", r.chance(0.6)), ("layer_norm_elementwise_affine", r.chance(0.6)), ("tie_word_embeddings", r.chance(0.7)),
                       ("_remove_final_layer_norm", r.chance(0.3)), ("dropout", 0.1)):
        if r.chance(0.35):
            c[key] = value
    return c


def ornaments(r, c):
    """What other files have besides: harmless, or nothing that this model type reads."""
    for key, value in (("torch_dtype", "bfloat16"), ("dtype", "float32"), ("transformers_version", "4.38.0"), ("use_cache", True), ("bos_token_id", 1),
                       ("eos_token_id", [2, 3]), ("initializer_range", 0.02), ("attention_dropout", 0.0), ("architectures", ["AnyForCausalLM"])):
        if r.chance(0.2):
            c.setdefault(key, value)
    keys = list(c)
    r.shuffle(keys)
    return {key: c[key] for key in keys}


def checkpoint_names(kind, shapes):
    """From names in memory to those in checkpoints: experts lie apart there."""
    out = []
    for name, shape in shapes:
        experts = re.fullmatch(r"(model\.layers\.\d+)\.mlp\.experts\.(gate_up_proj|down_proj)", name)
        if experts and kind in ("mixtral", "qwen3_moe"):
            layer, which = experts.groups()
            count, rows, columns = shape
            for e in range(count):
                base = f"{layer}.block_sparse_moe.experts.{e}" if kind == "mixtral" else f"{layer}.mlp.experts.{e}"
                if which == "down_proj":
                    out.append((f"{base}.{'w2' if kind == 'mixtral' else 'down_proj'}.weight", [rows, columns]))
                else:
                    names = ("w1", "w3") if kind == "mixtral" else ("gate_proj", "up_proj")
                    out += [(f"{base}.{one}.weight", [rows // 2, columns]) for one in names]
        elif kind == "mixtral" and ".mlp.gate." in name:
            out.append((name.replace(".mlp.gate.", ".block_sparse_moe.gate."), shape))
        else:
            out.append((name, shape))
    return out


def case(seed, few=False):
    r = Draw(seed)
    kind = ONLY or TYPES[seed % len(TYPES)]
    text = json.dumps(ornaments(r, configuration(r, kind)))
    directory = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    try:
        with open(f"{directory}/config.json", "w") as file:
            file.write(text)
        config = AutoConfig.from_pretrained(directory)
        # Eager attention of 5.24 adds Falcon's position biases twice, the default once; Gemma's soft caps are eager's only.
        attention = "sdpa" if kind == "falcon" else "eager"
        with torch.device("meta"):
            empty = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
        tied = config.tie_word_embeddings
        head = empty.get_output_embeddings()
        state = [(n, list(p.shape)) for n, p in empty.named_parameters(remove_duplicate=False)]
        head_name = next(n for n, p in empty.named_parameters(remove_duplicate=False) if p is head.weight and ("head" in n or "embed_out" in n)) if head is not None else None
        redundant, bare = r.chance(0.1), r.chance(0.08)
        if tied and not redundant:
            state = [one for one in state if one[0] != head_name]
        prefix = empty.base_model_prefix + "."
        named = checkpoint_names(kind, state)
        if kind == "gpt_neox" and r.chance(0.8):  # renamed by later versions
            named = [(n.replace("lm_head", "embed_out"), s) for n, s in named]
            head_name = "embed_out.weight"
        # A tied head may be in the file as well, and a base model's file has no prefix.
        source = next(n for n, p in empty.named_parameters() if p is empty.get_input_embeddings().weight)
        same = {head_name: source} if tied and redundant else {}
        strip = prefix if bare and tied and not redundant else ""
        values = {n.removeprefix(strip): tensor(seed, same.get(n, n), s) for n, s in named}
        save_file(values, f"{directory}/model.safetensors", metadata={"format": "pt"})
        model, info = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation=attention, output_loading_info=True)
        missing = [n for n in info["missing_keys"] if not (tied and n == "lm_head.weight")]
        if missing or info["unexpected_keys"] or info["mismatched_keys"]:
            return {"seed": seed, "type": kind, "skipped": "names", "detail": str((missing, list(info["unexpected_keys"])))[:300], "config": text}
        limit = getattr(config, "seq_length", None) or getattr(config, "max_position_embeddings", None) or 48
        ids = [r.randrange(config.vocab_size) for _ in range(r.randint(4, min(limit, 40)))]
        with torch.no_grad():
            logits = model.eval()(torch.tensor([ids])).logits[0].float().numpy()
            exact = model.double()(torch.tensor([ids])).logits[0].float().numpy()
        if not np.isfinite(logits).all():
            return {"seed": seed, "type": kind, "skipped": "not finite", "config": text}
        line = {"seed": seed, "type": kind, "config": text, "tensors": named, "strip": strip, "same": same, "ids": ids,
                "deviation": float(f"{logits.std():.4g}")}
        if few:  # for the fixtures: places all over the sequence, the last row among them
            flat = logits.reshape(-1)
            places = sorted({*r.sample(range(flat.size), 12), *(flat.size - 1 - r.randrange(config.vocab_size) for _ in range(4))})
            return line | {"some": [[i, float(f"{flat[i]:.6g}")] for i in places]}
        encoded = lambda values: base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()
        # Few channels and small weights leave float32 itself more than a trace of error.
        wide = {"exact": encoded(exact)} if np.abs(exact - logits).max() > 2e-5 * logits.std() else {}
        return line | {"logits": encoded(logits)} | wide
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    first, last = int(sys.argv[1]), int(sys.argv[2])
    for seed in range(first, last):
        try:
            line = case(seed, "--few" in sys.argv)
        except Exception as error:  # what transformers refuses is no valid configuration
            line = {"seed": seed, "type": ONLY or TYPES[seed % len(TYPES)], "skipped": type(error).__name__, "detail": str(error)[:200]}
        print(json.dumps(line), flush=True)
