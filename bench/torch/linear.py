"""PyTorch's linear layer. usage: linear.py THREADS SECONDS ROWSxOUTxINNER...; prints the best seconds of each shape."""
import json
import sys
import time

import torch

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(0)
results = []
for shape in sys.argv[3:]:
    rows, out, inner = map(int, shape.split("x"))
    x, w = torch.rand(rows, inner) - 0.5, torch.rand(out, inner) - 0.5
    best, end = float("inf"), time.perf_counter() + float(sys.argv[2])
    with torch.inference_mode():
        while time.perf_counter() < end:
            start = time.perf_counter()
            torch.nn.functional.linear(x, w)
            best = min(best, time.perf_counter() - start)
    results.append(best)
print(json.dumps({"version": torch.__version__, "seconds": results}))
