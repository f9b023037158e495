"""GPTQ in PyTorch float32, written for comparison with ours: same algorithm, same model, same tokens.

usage: gptq.py MODEL_DIR TOKENS_SAFETENSORS THREADS REPEATS ROWSxCOLUMNS...
Prints one JSON object: [seconds, processor seconds] of each repeat on the model, of single layers, and memory.
"""
import json
import math
import sys
import time

import torch

from llama import Layer, peak_bytes, read_config, read_safetensors, rotary_table


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
    loaded = peak_bytes()
    config = read_config(directory)
    windows = read_safetensors(tokens)["calib"]
    tensors = read_safetensors(f"{directory}/model.safetensors")
    result = {"version": torch.__version__, "model": [], "layers": {}}
    with torch.inference_mode():
        for _ in range(repeats):
            result["model"].append(timed(lambda: quantize_model(tensors, config, windows, 4, True)))
        result["peakBytes"] = peak_bytes()
        result["bytesBefore"] = loaded
        for shape in sys.argv[5:]:
            rows, columns = map(int, shape.split("x"))
            x = torch.randn(2 * columns, columns) * (1 + torch.arange(columns) % 7)
            hessian, weight = x.T @ x, torch.randn(rows, columns)
            result["layers"][shape] = [timed(lambda: gptq(weight, hessian, 4, True)) for _ in range(repeats)]
    print(json.dumps(result))


main()
