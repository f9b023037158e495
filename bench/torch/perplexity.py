"""Perplexity and greedy decoding in PyTorch float32, seconds of the better of two runs each.

usage: perplexity.py MODEL_DIR TOKENS_SAFETENSORS THREADS WINDOWS PROMPT TOKENS
"""
import json
import math
import sys
import time

import torch
import torch.nn.functional as F

from llama import Layer, peak_bytes, read_config, read_safetensors, rotary_table

directory, tokens = sys.argv[1:3]
threads, count, prompt, added = map(int, sys.argv[3:])
torch.set_num_threads(threads)
config = read_config(directory)
tensors = read_safetensors(f"{directory}/model.safetensors")
windows = read_safetensors(tokens)["test"][:count]
cos, sin = rotary_table(windows.shape[1], config["head_dim"], config["rope_theta"])
embedding, norm = tensors["model.embed_tokens.weight"].float(), tensors["model.norm.weight"].float()
layers = [Layer(tensors, i, config) for i in range(config["num_hidden_layers"])]


def perplexity():
    losses = []
    for ids in windows:
        x = embedding[ids.long()]
        for layer in layers:
            x = layer.forward(x, cos, sin)
        logits = layers[0].norm(x, norm) @ embedding.T
        losses.append(F.cross_entropy(logits[:-1], ids[1:].long()).item())
    return math.exp(sum(losses) / len(losses))


def decode():
    """Seconds from the first new token to the last."""
    caches, ids, start, position = [[] for _ in layers], windows[0][:prompt].long(), 0, 0
    for step in range(added):
        x, rows = embedding[ids], slice(position, position + len(ids))
        for layer, cache in zip(layers, caches):
            x = layer.forward(x, cos[rows], sin[rows], cache=cache)
        position += len(ids)
        ids = (layers[0].norm(x[-1:], norm) @ embedding.T).argmax(1)
        if step == 0:
            start = time.perf_counter()
    return time.perf_counter() - start


seconds, decoding = float("inf"), float("inf")
with torch.inference_mode():
    for _ in range(2):
        start = time.perf_counter()
        value = perplexity()
        seconds = min(seconds, time.perf_counter() - start)
        decoding = min(decoding, decode())
print(json.dumps({"version": torch.__version__, "seconds": seconds, "decode": decoding, "perplexity": value, "peak": peak_bytes()}))
