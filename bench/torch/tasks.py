"""The peer's six choice tasks: lm-evaluation-harness on PyTorch float32. usage: tasks.py MODEL_DIR TASKS_DIR LIMIT THREADS BATCH"""
import contextlib
import io
import json
import os
import pathlib
import sys
import time

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
directory, data, limit, threads, batch = sys.argv[1:6]

try:
    import lm_eval
    import torch
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.utils import load_yaml_config
    from transformers import AutoModelForCausalLM, AutoTokenizer
except ImportError as error:
    print(json.dumps({"missing": str(error)}))
    sys.exit(0)

torch.set_num_threads(int(threads))
TASKS = {
    "boolq": "super_glue/boolq/default.yaml",
    "arc_easy": "arc/arc_easy.yaml",
    "arc_challenge": "arc/arc_challenge.yaml",
    "hellaswag": "hellaswag/hellaswag.yaml",
    "piqa": "piqa/piqa.yaml",
    "winogrande": "winogrande/default.yaml",
}
folder = pathlib.Path(lm_eval.__file__).parent / "tasks"


def config_of(name):
    """The task's own file, with our rows in place of the download."""
    config = load_yaml_config(yaml_path=folder / TASKS[name])
    split = config.get("test_split") or config["validation_split"]
    for key in ("include", "training_split", "fewshot_split", "dataset_name", "tag", "group", "dataset_kwargs"):
        config.pop(key, None)
    config.pop("test_split" if split == config.get("validation_split") else "validation_split", None)
    config |= {"task": f"our_{name}", "task_alias": name, "dataset_path": "json", "dataset_kwargs": {"data_files": {split: f"{data}/{name}.jsonl"}}}
    if name == "boolq":
        config["doc_to_target"] = "{{answer|int}}"
    return config


with contextlib.redirect_stdout(sys.stderr), contextlib.redirect_stderr(io.StringIO()):
    model = AutoModelForCausalLM.from_pretrained(directory, torch_dtype=torch.float32)
    harness = HFLM(pretrained=model, tokenizer=AutoTokenizer.from_pretrained(directory), batch_size=int(batch), device="cpu")
    seconds, cpu, accuracy = {}, {}, {}
    for name in TASKS:
        task = ConfigurableTask(config=config_of(name))
        start, busy = time.perf_counter(), time.process_time()
        out = evaluate(harness, {f"our_{name}": task}, limit=int(limit), bootstrap_iters=0)
        seconds[name], cpu[name] = time.perf_counter() - start, time.process_time() - busy
        accuracy[name] = out["results"][f"our_{name}"]["acc,none"]
version = f"lm-eval {lm_eval.__version__ if hasattr(lm_eval, '__version__') else ''} on PyTorch {torch.__version__}".replace("  ", " ")
print(json.dumps({"version": version, "seconds": seconds, "cpu": cpu, "accuracy": accuracy}))
