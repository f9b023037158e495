"""The peer's decoder: Llama in PyTorch float32, plainly written; reads the fixture models."""
import json
import struct

import torch
import torch.nn.functional as F

DTYPES = {"F16": torch.float16, "F32": torch.float32, "I32": torch.int32, "BF16": torch.bfloat16}


def read_safetensors(path):
    with open(path, "rb") as file:
        data = bytearray(file.read())
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    tensors = {}
    for name, info in header.items():
        if name != "__metadata__" and info["dtype"] in DTYPES:
            start, end = info["data_offsets"]
            flat = torch.frombuffer(data[8 + size + start : 8 + size + end], dtype=DTYPES[info["dtype"]])
            tensors[name] = flat.reshape(info["shape"])
    return tensors


def read_config(directory):
    with open(f"{directory}/config.json") as file:
        return json.load(file)


def peak_bytes():
    """Most bytes that this process ever held (ru_maxrss would count the process that started it)."""
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def rotary_table(tokens, dim, theta):
    angles = torch.outer(torch.arange(tokens).float(), theta ** -(torch.arange(0, dim, 2).float() / dim))
    angles = torch.cat([angles, angles], 1)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


class Layer:
    """One decoder layer of Llama; `observe(site, x)` sees the inputs of its linear layers."""

    def __init__(self, tensors, index, config):
        prefix = f"model.layers.{index}."
        self.config = config
        self.norms = [tensors[prefix + name + ".weight"].float() for name in ("input_layernorm", "post_attention_layernorm")]
        names = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
        self.weights = {name.split(".")[1][:-5]: tensors[prefix + name + ".weight"].float() for name in names}

    def norm(self, x, weight):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.config["rms_norm_eps"]) * weight

    def forward(self, x, cos, sin, observe=None, cache=None):
        """`cache` is a list of the keys and values so far, empty at first; `cos` and `sin` are those of the rows of `x`."""
        c, w = self.config, self.weights
        observe = observe or (lambda site, value: None)
        tokens, dim = x.shape[0], c["head_dim"]
        heads = lambda value: value.reshape(tokens, -1, dim).transpose(0, 1)
        y = self.norm(x, self.norms[0])
        observe("attention", y)
        q, k, v = (heads(y @ w[name].T) for name in "qkv")
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            cache[:] = [torch.cat([old, new], 1) for old, new in zip(cache, (k, v))] if cache else [k, v]
            k, v = cache
        repeats = c["num_attention_heads"] // c["num_key_value_heads"]
        k, v = k.repeat_interleave(repeats, 0), v.repeat_interleave(repeats, 0)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=tokens > 1).transpose(0, 1).reshape(tokens, -1)
        observe("output", y)
        x = x + y @ w["o"].T
        y = self.norm(x, self.norms[1])
        observe("mlp", y)
        y = F.silu(y @ w["gate"].T) * (y @ w["up"].T)
        observe("down", y)
        return x + y @ w["down"].T
