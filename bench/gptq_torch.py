"""GPTQ in PyTorch float32, written for comparison with ours: same algorithm, same model, same tokens.

usage: gptq_torch.py MODEL_DIR TOKENS_SAFETENSORS THREADS REPEATS ROWSxCOLUMNS...
Prints one JSON object: [seconds, processor seconds] of each repeat on the model, of single layers, and memory.
"""
import json
import math
import resource
import struct
import sys
import time

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


def gptq(weight, hessian, bits, act_order, percdamp=0.01, block=128):
    """Algorithm 1 of the paper, one scale per row (asymmetric). Returns the dequantized weight."""
    w, h = weight.clone(), hessian.clone()
    columns = w.shape[1]
    low, high = w.amin(1).clamp(max=0), w.amax(1).clamp(min=0)
    top = 2**bits - 1
    scale = (high - low) / top
    zero = torch.round(-low / scale)
    diagonal = torch.diagonal(h)
    dead = diagonal == 0
    diagonal[dead] = 1
    w[:, dead] = 0
    if act_order:
        order = torch.argsort(diagonal, descending=True)
        w, h = w[:, order].contiguous(), h[order][:, order].contiguous()
    h.diagonal().add_(percdamp * torch.diagonal(h).mean())
    factor = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(h)), upper=True)
    q = torch.zeros_like(w)
    for first in range(0, columns, block):
        last = min(columns, first + block)
        part, errors = w[:, first:last].clone(), torch.zeros_like(w[:, first:last])
        inner = factor[first:last, first:last]
        for i in range(last - first):
            column = part[:, i]
            code = torch.clamp(torch.round(column / scale) + zero, 0, top)
            rounded = scale * (code - zero)
            q[:, first + i] = rounded
            error = (column - rounded) / inner[i, i]
            part[:, i:] -= error.unsqueeze(1).matmul(inner[i, i:].unsqueeze(0))
            errors[:, i] = error
        w[:, last:] -= errors.matmul(factor[first:last, last:])
    return q[:, torch.argsort(order)] if act_order else q


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

    def forward(self, x, cos, sin, observe=None):
        c, w = self.config, self.weights
        observe = observe or (lambda site, value: None)
        tokens, dim = x.shape[0], c["head_dim"]
        heads = lambda value: value.reshape(tokens, -1, dim).transpose(0, 1)
        y = self.norm(x, self.norms[0])
        observe("attention", y)
        q, k, v = (heads(y @ w[name].T) for name in "qkv")
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        repeats = c["num_attention_heads"] // c["num_key_value_heads"]
        k, v = k.repeat_interleave(repeats, 0), v.repeat_interleave(repeats, 0)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(0, 1).reshape(tokens, -1)
        observe("output", y)
        x = x + y @ w["o"].T
        y = self.norm(x, self.norms[1])
        observe("mlp", y)
        y = F.silu(y @ w["gate"].T) * (y @ w["up"].T)
        observe("down", y)
        return x + y @ w["down"].T


SITES = {"attention": "qkv", "output": ["o"], "mlp": ["gate", "up"], "down": ["down"]}


def quantize_model(tensors, config, windows, bits, act_order):
    """Layer by layer on the quantized prefix, all linear layers of a layer on one forward pass."""
    cos, sin = rotary_table(windows.shape[1], config["head_dim"], config["rope_theta"])
    embedding = tensors["model.embed_tokens.weight"].float()
    hidden = [embedding[row.long()] for row in windows]
    for index in range(config["num_hidden_layers"]):
        layer = Layer(tensors, index, config)
        hessians, seen = {}, {}

        def observe(site, x):
            columns = x.shape[1]
            if site not in hessians:
                hessians[site], seen[site] = torch.zeros(columns, columns), 0
            seen[site] += 1
            hessians[site] *= (seen[site] - 1) / seen[site]
            x = math.sqrt(2 / seen[site]) * x.T
            hessians[site] += x.matmul(x.T)

        for x in hidden:
            layer.forward(x, cos, sin, observe)
        for site, names in SITES.items():
            for name in names:
                layer.weights[name] = gptq(layer.weights[name], hessians[site], bits, act_order)
        hidden = [layer.forward(x, cos, sin) for x in hidden]


def timed(run):
    start, processor = time.perf_counter(), time.process_time()
    run()
    return [time.perf_counter() - start, time.process_time() - processor]


def main():
    directory, tokens, threads, repeats = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open(f"{directory}/config.json") as file:
        config = json.load(file)
    windows = read_safetensors(tokens)["calib"]
    tensors = read_safetensors(f"{directory}/model.safetensors")
    result = {"version": torch.__version__, "model": [], "layers": {}}
    with torch.inference_mode():
        for _ in range(repeats):
            result["model"].append(timed(lambda: quantize_model(tensors, config, windows, 4, True)))
        result["peakBytes"] = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        result["bytesBefore"] = 1024 * loaded
        for shape in sys.argv[5:]:
            rows, columns = map(int, shape.split("x"))
            x = torch.randn(2 * columns, columns) * (1 + torch.arange(columns) % 7)
            hessian, weight = x.T @ x, torch.randn(rows, columns)
            result["layers"][shape] = [timed(lambda: gptq(weight, hessian, 4, True)) for _ in range(repeats)]
    print(json.dumps(result))


main()
