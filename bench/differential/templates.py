#!/usr/bin/env python3
"""Random chat templates with conversations, and what transformers makes of them: one JSON object a line.

    templates.py FIRST COUNT > cases.jsonl        (transformers 5.24, jinja2 3.1.6)
    templates.py fixture | gzip -9n > fixtures/templates/cases.jsonl.gz      (some hundred small cases, and those written by hand)
    templates.py seeds fixtures/templates/seeds                              (templates that the fuzzer starts from)

A case is a template (or several by name), special tokens, messages and options; `text` is what `apply_chat_template` gives, `error`
why it gives none, `spans` where the assistant speaks (`{% generation %}`). A quarter of the templates follow the idioms of families that
people use, a quarter are random statements, a quarter random expressions, and a quarter any of these with an edit or two, most of which
break them. The clock stands still (`NOW`).
"""
import datetime
import json
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).with_suffix("")))
from expressions import TEXTS, Expressions
from idioms import IDIOMS, idiom
from statements import Statements

NOW = [2026, 1, 5, 14, 3, 9]
BITS = ("{% %} {{ }} -%} {%- -}} {{- {# #} ( ) [ ] ' \" | . , if for in not is else endif endfor set = == ~ + - * ** % 1 0 a none loop \\ { } : raw "
        "endraw 1.5 _ é elif and or recursive defined +%} {%+ < > ! e5 0x1 '' endmacro").split() + [" ", "\n", "\t", "macro m(x)", "if ", "for "]


def mutated(rng, text):
    for _ in range(rng.randint(1, 2)):
        at, end = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
        text = rng.choice([
            lambda: text[:at] + text[at + rng.randint(1, 3):], lambda: text[:at] + rng.choice(BITS) + text[at:],
            lambda: text[:at] + rng.choice(BITS) + text[at:], lambda: text[:at] + text[end:end + rng.randint(1, 8)] + text[at:],
            lambda: text[:at] + rng.choice(BITS) + text[at + rng.randint(1, 4):],
        ])()
    return text


def tool(rng):
    name = rng.choice(["get_weather", "add", "search", "größe"])
    return {"type": "function", "function": {"name": name, "description": rng.choice(TEXTS), "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "description": "Where"}, "days": {"type": "integer", "enum": [1, 2, None]}},
        "required": ["city"]}}}


def call(rng):
    arguments = rng.choice([{"city": rng.choice(TEXTS), "days": 2}, {}, {"x": [1.5, None, True]}, '{"city": "Bonn"}'])
    return {"id": f"call{rng.randint(0, 99)}", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}


def conversation(rng):
    messages = []
    if rng.random() < 0.5:
        messages.append({"role": "system", "content": rng.choice(TEXTS)})
    for i in range(rng.randint(1, 5)):
        if i % 2 == 0 or rng.random() < 0.05:
            content = rng.choice(TEXTS)
            if rng.random() < 0.12:
                content = [{"type": "text", "text": rng.choice(TEXTS)}, {"type": "image"}][:rng.randint(1, 2)]
            messages.append({"role": "user", "content": content})
        else:
            message = {"role": "assistant", "content": rng.choice(TEXTS)}
            if rng.random() < 0.3:
                message["tool_calls"] = [call(rng) for _ in range(rng.randint(1, 2))]
                message["content"] = rng.choice([message["content"], None, ""])
            if rng.random() < 0.2:
                message[rng.choice(["reasoning_content", "thinking", "reasoning"])] = rng.choice(TEXTS)
            messages.append(message)
            if "tool_calls" in message:
                messages.append({"role": "tool", "name": "get_weather", "content": rng.choice(TEXTS + ['{"t": 3}']), "tool_call_id": "call1"})
    return messages


def options_of(rng, messages):
    options = {}
    if rng.random() < 0.7:
        options["add_generation_prompt"] = rng.random() < 0.6
    if rng.random() < 0.4:
        options["tools"] = [tool(rng) for _ in range(rng.randint(0, 2))]
    if rng.random() < 0.2:
        options["documents"] = [{"title": rng.choice(TEXTS), "text": rng.choice(TEXTS)} for _ in range(rng.randint(0, 2))]
    if rng.random() < 0.1 and messages[-1]["role"] == "assistant" or rng.random() < 0.01:
        options["continue_final_message"] = rng.choice([True, True, "content", "reasoning_content", "thinking"])
        options["add_generation_prompt"] = rng.random() < 0.05
    variables = {"n": rng.randint(-3, 12), "x": rng.choice([0.5, 2.25, -1.75, 1e-9]), "on": rng.random() < 0.5, "title": rng.choice(TEXTS),
                 "numbers": [rng.randint(-5, 9) for _ in range(rng.randint(0, 5))], "words": rng.sample(TEXTS, rng.randint(0, 4)),
                 "info": {k: rng.choice([1, 2.5, None, True, "v", [1, "é"], {"z": {}}]) for k in rng.sample(["name", "size", "Ärger", "a b", "items"], rng.randint(0, 4))}}
    if rng.random() < 0.8:
        variables["enable_thinking"] = rng.random() < 0.5
    return options, variables


def case(seed):
    rng = random.Random(f"templates {seed}")
    messages = conversation(rng)
    options, variables = options_of(rng, messages)
    sort = ["idiom", "statements", "expressions", "mutated"][seed % 4]
    kind = rng.choice(["idiom", "statements", "expressions"]) if sort == "mutated" else sort
    if kind == "idiom":
        template = idiom(rng)
    elif kind == "statements":
        template = Statements(rng).body(rng.choice([1, 2, 2, 3]))
    else:
        made = Expressions(rng)
        template = "|".join("{{ " + made.make("any", rng.randint(1, 4)) + " }}" for _ in range(rng.randint(1, 3)))
    if sort == "mutated":
        template = mutated(rng, template)
    elif rng.random() < 0.08:
        template = {"default": template, rng.choice(["tool_use", "rag"]): "NAMED{{ messages|length }}" + ("{{ tools|length }}" if options.get("tools") else "")}
        if rng.random() < 0.3:
            options["chat_template"] = rng.choice(list(template))
        elif rng.random() < 0.1:
            del template["default"]
    tokens = {k: v for k, v in {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}.items() if rng.random() < 0.95}
    return {"seed": seed, "sort": sort, "template": template, "tokens": tokens, "messages": messages, "options": options, "variables": variables}


def judge(one):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast
    from transformers.utils import chat_template_utils as chat

    class Still(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(*NOW)

    chat.datetime = Still
    plain = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1, "<pad>": 2, "x": 3}, unk_token="x"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, **one["tokens"])
    tokenizer.chat_template = one["template"]
    try:
        text = tokenizer.apply_chat_template(json.loads(json.dumps(one["messages"])), tokenize=False, **one["options"], **one["variables"])
        one["text"] = text
    except Exception as error:
        one["error"] = f"{type(error).__name__}: {error}".split("\n")[0][:200]
    if "text" in one and "generation" in str(one["template"]) and "continue_final_message" not in one["options"]:
        messages = chat._alias_reasoning_fields(chat._normalize_chat_messages(one["messages"]))
        template = tokenizer.get_chat_template(one["options"].get("chat_template"), one["options"].get("tools"))
        spans = chat._render_with_assistant_indices(
            chat._compile_jinja_template(template), messages, one["options"].get("tools"), one["options"].get("documents"),
            one["options"].get("add_generation_prompt", False), **{**tokenizer.special_tokens_map, **one["variables"]})[1]
        one["spans"] = spans
    return one


def by_hand():
    """One case for each of the templates in `templates/by_hand.txt`: what the random ones would find too seldom."""
    arguments = {"x": 1, "y": [1.5, None, True, 'ü"\\']}
    messages = [{"role": "system", "content": "Be  good.\n"}, {"role": "user", "content": "Hi <b>é😀</b>"},
                {"role": "assistant", "content": "  Yes\n", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]},
                {"role": "user", "content": ["a", {"type": "text", "text": "q"}]}]
    with open(pathlib.Path(__file__).with_suffix("") / "by_hand.txt", encoding="utf-8", newline="") as file:
        templates = file.read().rstrip("\n").split("\n---\n")
    templates += ["a\r\nb\rc\n", "a\n\n", "\n", "", "{{ 'a\r\nb' }}"]
    for i, template in enumerate(templates):
        yield {"seed": -1 - i, "sort": "hand", "template": template, "tokens": {"bos_token": "<s>"}, "messages": messages,
               "options": {}, "variables": {"a": 1}}


def small(one):
    """Without the variables that the template does not name."""
    names = str(one["template"])
    return {**one, "variables": {k: v for k, v in one["variables"].items() if k in names}}


def fixture():
    wanted = {"idiom": 110, "statements": 130, "expressions": 140, "mutated": 90}
    yield from map(judge, by_hand())
    seed = 100_000
    while any(wanted.values()):
        one = small(case(seed))
        seed += 1
        if not wanted[one["sort"]] or len(json.dumps(one)) > (5000 if one["sort"] == "idiom" else 1300):
            continue
        one = judge(one)
        # Few of those that both refuse.
        if "text" in one or seed % 5 == 0:
            wanted[one["sort"]] -= 1
            yield one


def write_seeds(folder):
    for i, one in enumerate(IDIOMS):
        (folder / f"{one.__name__}.jinja").write_text(one(random.Random(i)).strip() + "\n", encoding="utf-8")
    hand = "\n".join(one["template"] for one in map(judge, by_hand()) if "text" in one)
    (folder / "by_hand.jinja").write_text(hand + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "seeds":
        write_seeds(pathlib.Path(sys.argv[2]))
        sys.exit()
    if sys.argv[1] == "fixture":
        made = fixture()
    else:
        made = (judge(case(seed)) for seed in range(int(sys.argv[1]), int(sys.argv[1]) + int(sys.argv[2])))
    for one in made:
        sys.stdout.write(json.dumps(one, ensure_ascii=True) + "\n")
