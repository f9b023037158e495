"""Perplexity in PyTorch float32. usage: perplexity.py MODEL_DIR TOKENS_SAFETENSORS THREADS; best seconds of three runs."""
import json
import math
import sys
import time

import torch
import torch.nn.functional as F

from llama import Layer, peak_bytes, read_config, read_safetensors, rotary_table

directory, tokens, threads = sys.argv[1:4]
torch.set_num_threads(int(threads))
config = read_config(directory)
tensors = read_safetensors(f"{directory}/model.safetensors")
windows = read_safetensors(tokens)["test"]
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


best = float("inf")
with torch.inference_mode():
    for _ in range(3):
        start = time.perf_counter()
        value = perplexity()
        best = min(best, time.perf_counter() - start)
print(json.dumps({"version": torch.__version__, "seconds": best, "perplexity": value, "peak": peak_bytes()}))
