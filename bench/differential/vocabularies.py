#!/usr/bin/env python3
"""Random tokenizers with texts, and what the original libraries make of them: one JSON object a line.

    vocabularies.py SORT FIRST COUNT > cases.jsonl        SORT: json, pieces, files

json: a tokenizer.json of random components (tokenizers 0.23.3). pieces: a tokenizer.model (sentencepiece 0.2.3).
files: a directory with companion files (transformers 5.24, AutoTokenizer). Each line has the seed, the files, and for each
text the ids with and without special tokens and the texts that they decode to; or why the library refuses the file.
"""
import base64
import json
import random
import sys

SNIPPETS = [
    "Hello, World!", "don't we'll I'VE it's 'tis", "the quick brown fox", " ", "  ", "   \t ", "\n", "\r\n", "\n\n  ",
    "12345", "3.14159", "1,000,000", "٣٤٥", "½ ² Ⅻ", "foo_bar", "a-b", "x != y", "f(x) = {y}; // z", "[CLS]", "<s>", "</s>",
    "<unk>", "<0x0A>", "▁", "▁▁a", "Ġ", "é", "é", "ÀÉÎ", "ﬁne", "ß SS", "İstanbul ı", "ΑΣ Σ", "中文字符", "ひらがな カタカナ",
    "한국어", "привет мир", "שלום", "مرحبا", "हिन्दी", "ไทย", "🙂", "👍🏽", "👨‍👩‍👧", "🇩🇪", "\u200b", "\u200d", "\ufeff", "\u00a0", "\u2003",
    "\u2028", "\u0085", "\x00", "\x07", "\x1f", "\ufffd", "\U0001d400", "ａｂｃ", "㍿", "①", "a\u0323\u0301", "\u0301x", "aaaa", "abab",
    "the the", " the", "The", "THE", ".", "...", "?!", "'", "\"", "n't", " do not", "##ing", "<|end|>", "<mask>", "AB", "zzz", "q",
    "http://a.b/c?d=e&f=g", "x\ty", "end ", " start", "ab<mask>cd", "  <s>  x", "word<|end|>", "\u1e9b\u0323", "ǅ", "\U000105d2\u0307",
]
ADDED = ["<s>", "</s>", "<unk>", "<pad>", "<mask>", "<|end|>", "[CLS]", "[SEP]", "the", "AB", "é", "ﬁ", "ab", "abab", " x", "y ", "▁a", "中",
         "##ing", "x != y", "\n", "🙂", "<|a|>", "<|a|>b", "12", "Σ", "'", "½"]


def text_of(rng, snippets=SNIPPETS):
    glue = rng.choice(["", " ", " ", "  ", ""])
    return glue.join(rng.choice(snippets) for _ in range(rng.randint(0, 9)))


def pattern_of(rng):
    if rng.random() < 0.3:
        return {"String": rng.choice([" ", "▁", "a", "the", ".", "\n", "ab", "é", "--", "'"])}
    return {"Regex": rng.choice([
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        r"[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s+(?!\S)|\s",
        r" ?[^(\s|[.,!?…。，、।۔،])]+", r"\p{Han}+|\p{Hiragana}+", r"\d", r"\d+|\w+", r"\s", r"\s+", r"[a-z]+", r"^\w", r"\w$", r"$",
        r"(?<=\s)\S", r"(?>a+)b", r"a*", r"x|", r"[[:punct:]]", r"\p{P}", r"\R", r"\b", r"[^\S\n]+", r"(?m:.)", r".",
        r"\p{N}{3}", r"(?:ab)+", r"a{2,}", r"[\p{L}&&[^a-m]]+", r"\h+", r"(?i)the|X", r" +", r"▁+", r"\p{Lu}?\p{Ll}+", r"\A.", r"\S\z",
        r"(\p{L}\p{M}*)", r"\W", r"[\w']+", r"[^\x{80}-\x{10ffff}]", r"n't|'[a-z]+", r"(?=a)", r"\n*",
    ])}


def charsmap_of(rng):
    return rng.choice(CHARSMAPS)


def normalizer_of(rng, depth=0):
    kind = rng.choice(["Sequence", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "StripAccents", "Replace", "Prepend", "Nmt",
                       "Precompiled", "BertNormalizer", "ByteLevel"])
    flag = lambda: rng.random() < 0.5
    if kind == "Sequence":
        if depth > 1:
            return None
        return {"type": kind, "normalizers": [n for n in (normalizer_of(rng, depth + 1) for _ in range(rng.randint(0, 3))) if n]}
    if kind == "Strip":
        return {"type": kind, "strip_left": flag(), "strip_right": flag()}
    if kind == "Replace":
        return {"type": kind, "pattern": pattern_of(rng), "content": rng.choice(["", "▁", " ", "_", "ab", "é", "  "])}
    if kind == "Prepend":
        return {"type": kind, "prepend": rng.choice(["▁", "▁", " ", "ab", ""] if rng.random() < 0.1 else ["▁", " ", "ab"])}
    if kind == "Precompiled":
        return {"type": kind, "precompiled_charsmap": charsmap_of(rng)}
    if kind == "BertNormalizer":
        return {"type": kind, "clean_text": flag(), "handle_chinese_chars": flag(), "strip_accents": rng.choice([None, True, False]),
                "lowercase": flag()}
    return {"type": kind}


BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def pre_tokenizer_of(rng, depth=0):
    kind = rng.choice(["Sequence", "ByteLevel", "ByteLevel", "Metaspace", "Metaspace", "Split", "Split", "Digits", "Punctuation", "Whitespace",
                       "WhitespaceSplit", "BertPreTokenizer", "CharDelimiterSplit", "FixedLength", "UnicodeScripts"])
    flag = lambda: rng.random() < 0.5
    if kind == "UnicodeScripts" and rng.random() < 0.8:
        kind = "ByteLevel"
    if kind == "Sequence":
        if depth > 1:
            return None
        return {"type": kind, "pretokenizers": [p for p in (pre_tokenizer_of(rng, depth + 1) for _ in range(rng.randint(0, 3))) if p]}
    if kind == "ByteLevel":
        return {"type": kind, "add_prefix_space": flag(), "trim_offsets": flag(), "use_regex": flag()}
    if kind == "Metaspace":
        return {"type": kind, "replacement": rng.choice("▁▁_"), "prepend_scheme": rng.choice(["first", "never", "always"]), "split": flag()}
    if kind == "Split":
        return {"type": kind, "pattern": pattern_of(rng), "behavior": rng.choice(BEHAVIORS), "invert": flag()}
    if kind == "Digits":
        return {"type": kind, "individual_digits": flag()}
    if kind == "Punctuation":
        return {"type": kind, "behavior": rng.choice(BEHAVIORS)}
    if kind == "CharDelimiterSplit":
        return {"type": kind, "delimiter": rng.choice(" -▁a")}
    if kind == "FixedLength":
        return {"type": kind, "length": rng.randint(1, 5)}
    return {"type": kind}


def decoder_of(rng, depth=0):
    kind = rng.choice(["Sequence", "Sequence", "ByteLevel", "ByteLevel", "ByteFallback", "Fuse", "Metaspace", "Replace", "Strip", "BPEDecoder",
                       "WordPiece", "CTC"])
    flag = lambda: rng.random() < 0.5
    if kind == "Sequence":
        if depth > 1:
            return None
        return {"type": kind, "decoders": [d for d in (decoder_of(rng, depth + 1) for _ in range(rng.randint(0, 4))) if d]}
    if kind == "ByteLevel":
        return {"type": kind, "add_prefix_space": flag(), "trim_offsets": flag(), "use_regex": flag()}
    if kind == "Metaspace":
        return {"type": kind, "replacement": "▁", "prepend_scheme": rng.choice(["first", "never", "always"]), "split": flag()}
    if kind == "Replace":
        return {"type": kind, "pattern": pattern_of(rng), "content": rng.choice(["", "▁", " ", "ab"])}
    if kind == "Strip":
        return {"type": kind, "content": rng.choice(" ▁a"), "start": rng.randint(0, 2), "stop": 0}
    if kind == "BPEDecoder":
        return {"type": kind, "suffix": rng.choice(["</w>", "e"])}
    if kind == "WordPiece":
        return {"type": kind, "prefix": "##", "cleanup": flag()}
    if kind == "CTC":
        return {"type": kind, "pad_token": "<pad>", "word_delimiter_token": rng.choice("|a"), "cleanup": flag()}
    return {"type": kind}


def trained(rng, pieces):
    """A model over some pieces: made here, not learnt, so that odd ones occur."""
    kind = rng.choice(["BPE", "BPE", "BPE", "Unigram", "Unigram", "WordPiece", "WordLevel"])
    chars = sorted({c for p in pieces for c in p})
    kept = [c for c in chars if rng.random() < rng.choice([1, 1, 0.9, 0.6])]
    if kind == "WordLevel":
        words = sorted(set(pieces))
        rng.shuffle(words)
        words = words[: max(1, len(words) * 2 // 3)]
        words = [w for w in words if w != "<unk>"]
        return {"type": kind, "vocab": {w: i for i, w in enumerate(["<unk>"] + words)}, "unk_token": "<unk>"}
    if kind == "WordPiece":
        prefix = rng.choice(["##", "##", ""])
        tokens = {"<unk>"} | set(kept) | {prefix + c for c in kept}
        for p in pieces:
            if len(p) > 1 and rng.random() < 0.5:
                i = rng.randint(1, len(p))
                tokens |= {p[:i], prefix + p[i:]}
        tokens = sorted(t for t in tokens if t)
        rng.shuffle(tokens)
        return {"type": kind, "unk_token": "<unk>", "continuing_subword_prefix": prefix, "max_input_chars_per_word": rng.choice([100, 100, 6]),
                "vocab": {t: i for i, t in enumerate(tokens)}}
    if kind == "Unigram":
        tokens = set(kept)
        for p in pieces:
            for _ in range(3):
                i = rng.randint(0, len(p) - 1)
                tokens.add(p[i: i + rng.randint(1, 6)])
        tokens.discard("<unk>")
        fallback = rng.random() < 0.4
        tokens = ["<unk>"] + rng.sample(sorted(tokens), len(tokens))
        if fallback:
            tokens += ["<0x%02X>" % b for b in range(256 if rng.random() < 0.8 else 200)]
        score = rng.choice([lambda: -float(rng.randint(1, 4)), lambda: round(-rng.random() * 12, 4), lambda: -1.0])
        return {"type": kind, "unk_id": None if not fallback and rng.random() < 0.03 else 0, "byte_fallback": fallback,
                "vocab": [[t, score()] for t in tokens]}
    prefix = rng.choice([None, None, None, "", "##"])
    suffix = rng.choice([None, None, None, "", "</w>"])
    fallback = rng.random() < 0.3
    words = [[(prefix or "") * (i > 0) + c + (suffix or "") * (i == len(p) - 1) for i, c in enumerate(p)] for p in pieces]
    tokens = []
    for w in words:
        for t in w:
            if t not in tokens and (t[-1] in kept or t[0] in kept):
                tokens.append(t)
    merges = []
    for _ in range(rng.choice([0, 20, 150])):
        pairs = {}
        for w in words:
            for a, b in zip(w, w[1:]):
                if a in tokens and b in tokens and (a, b) not in merges:
                    pairs[a, b] = pairs.get((a, b), 0) + 1
        if not pairs:
            break
        # Not always the most frequent, so that merges overlap in odd ways.
        best = sorted(pairs, key=lambda pair: (-pairs[pair], pair))[: rng.choice([1, 3, 20])]
        a, b = rng.choice(best)
        made = a + b[len(prefix or ""):]
        merges.append((a, b))
        if made not in tokens:
            tokens.append(made)
        for w in words:
            i = 0
            while i < len(w) - 1:
                if w[i] == a and w[i + 1] == b:
                    w[i: i + 2] = [made]
                i += 1
    if rng.random() < 0.5:
        rng.shuffle(merges)
    unknown = rng.choice(["<unk>", "<unk>", None])
    if unknown and unknown not in tokens:
        tokens.insert(0, unknown)
    if fallback:
        tokens += [t for t in ("<0x%02X>" % b for b in range(256 if rng.random() < 0.8 else 200)) if t not in tokens]
    if rng.random() < 0.3:
        tokens += [p for p in dict.fromkeys(pieces) if p not in tokens and rng.random() < 0.5]
    return {"type": "BPE", "dropout": None, "unk_token": unknown, "continuing_subword_prefix": prefix, "end_of_word_suffix": suffix,
            "fuse_unk": rng.random() < 0.5, "byte_fallback": fallback, "ignore_merges": rng.random() < 0.4,
            "vocab": {t: i for i, t in enumerate(tokens)}, "merges": [list(m) if rng.random() < 2 else " ".join(m) for m in merges]}


def added_of(rng, model):
    vocab = model["vocab"]
    known = set(vocab) if isinstance(vocab, dict) else {t for t, _ in vocab}
    tokens, next_id = [], len(vocab)
    ids = vocab if isinstance(vocab, dict) else {t: i for i, (t, _) in enumerate(vocab)}
    for content in rng.sample(ADDED, rng.randint(0, 7)):
        flag = lambda p: rng.random() < p
        if content in known:
            number = ids[content]
        else:
            number = next_id
            next_id += 1
        tokens.append({"id": number, "content": content, "single_word": flag(0.2), "lstrip": flag(0.25), "rstrip": flag(0.25),
                       "normalized": flag(0.5), "special": flag(0.6)})
    return tokens


def post_of(rng, added):
    names = [(t["content"], t["id"]) for t in added]
    kind = rng.choice([None, None, "ByteLevel", "TemplateProcessing", "TemplateProcessing", "BertProcessing", "RobertaProcessing", "Sequence"])
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
    if kind is None or kind == "ByteLevel":
        return kind and byte_level
    if not names:
        return None
    template = {"type": "TemplateProcessing", "single": [], "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {n: {"id": n, "ids": [i], "tokens": [n]} for n, i in names}}
    around = lambda: [{"SpecialToken": {"id": rng.choice(names)[0], "type_id": 0}} for _ in range(rng.choice([0, 1, 1, 2]))]
    template["single"] = around() + [{"Sequence": {"id": "A", "type_id": 0}}] + around()
    if kind == "TemplateProcessing":
        return template
    if kind == "Sequence":
        return {"type": kind, "processors": rng.choice([[byte_level, template], [template, byte_level], [byte_level], []])}
    pair = {"sep": list(rng.choice(names)), "cls": list(rng.choice(names))}
    return {"type": kind, **pair} if kind == "BertProcessing" else {"type": kind, **pair, "trim_offsets": True, "add_prefix_space": False}


def tokenizer_json(rng):
    from tokenizers import Tokenizer
    normalizer = normalizer_of(rng) if rng.random() < 0.6 else None
    pre = pre_tokenizer_of(rng) if rng.random() < 0.85 else None
    # Pieces as the steps make them, from an empty model.
    empty = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": normalizer, "pre_tokenizer": pre,
             "post_processor": None, "decoder": None, "model": {"type": "BPE", "vocab": {}, "merges": []}}
    steps = Tokenizer.from_str(json.dumps(empty))
    pieces = []
    for _ in range(12):
        text = text_of(rng)
        if steps.normalizer:
            text = steps.normalizer.normalize_str(text)
        pieces += [p for p, _ in steps.pre_tokenizer.pre_tokenize_str(text)] if steps.pre_tokenizer else [text]
    pieces = [p[:60] for p in pieces if p] or ["a"]
    model = trained(rng, pieces)
    added = added_of(rng, model)
    return {**empty, "model": model, "added_tokens": added, "post_processor": post_of(rng, added),
            "decoder": decoder_of(rng) if rng.random() < 0.85 else None}


def json_case(seed):
    from tokenizers import Tokenizer
    rng = random.Random(seed)
    file = None
    try:
        file = tokenizer_json(rng)
        tokenizer = Tokenizer.from_str(json.dumps(file))
    except BaseException as error:  # a panic of the library is no Exception
        return {"seed": seed, "file": file, "refused": str(error)[:200]}
    return {"seed": seed, "file": file, "texts": [entry(rng, tokenizer) for _ in range(8)]}


def entry(rng, tokenizer):
    text = text_of(rng)
    try:
        ids = tokenizer.encode(text).ids
        plain = tokenizer.encode(text, add_special_tokens=False).ids
    except BaseException as error:
        return {"text": text, "refused": str(error)[:200]}
    size = 1 + max(tokenizer.get_vocab().values())
    some = [rng.randrange(size) for _ in range(6)]
    case = {"text": text, "ids": ids, "plain": plain, "some": some}
    for key, list_, skip in [("decoded", ids, False), ("skipped", ids, True), ("random", some, False)]:
        try:
            case[key] = tokenizer.decode(list_, skip_special_tokens=skip)
        except BaseException:
            case[key] = None
    return case


CHARSMAPS = []


def pieces_case(seed, plain=False):
    import io
    import sentencepiece
    rng = random.Random(seed)
    flag = lambda p=0.5: rng.random() < p
    symbols = rng.sample(["<sep>", "AB", "  ", "the ", "▁x", "é", "12", "\n", "🙂", "a b", "##"], rng.choice([0, 0, 1, 3]))
    control = rng.sample(["<ctl>", "<|im_start|>", "[INST]"], rng.choice([0, 1, 2]))
    options = dict(model_type=rng.choice(["bpe", "unigram"]), byte_fallback=flag(), add_dummy_prefix=flag(0.7),
                   remove_extra_whitespaces=flag(), user_defined_symbols=symbols, control_symbols=control, split_digits=flag(0.3),
                   normalization_rule_name=rng.choice(["identity", "nfkc", "nmt_nfkc", "nmt_nfkc_cf", "nfkc_cf"]),
                   treat_whitespace_as_suffix=flag(0.2), character_coverage=rng.choice([1.0, 0.99, 0.98]), split_by_whitespace=flag(0.7),
                   split_by_unicode_script=flag(), allow_whitespace_only_pieces=flag(), pad_id=rng.choice([-1, 3]),
                   bos_id=rng.choice([1, 1, -1]), vocab_size=rng.choice([550, 650, 900]), hard_vocab_limit=False, minloglevel=2)
    if options["bos_id"] == -1:
        options["pad_id"] = -1
        options["eos_id"] = 1
    # Some characters are in the texts only.
    seen = rng.sample(SNIPPETS, len(SNIPPETS) * 3 // 4)
    if plain:
        options.update(user_defined_symbols=[], add_dummy_prefix=True, treat_whitespace_as_suffix=False, bos_id=1, eos_id=2, pad_id=-1)
    lines = [line for line in (text_of(rng, seen).replace("\n", " ").replace("\0", "") for _ in range(150)) if line.strip()]
    lines += ["the quick brown fox jumps over the lazy dog"] * 3
    out = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=out, num_threads=1, **options)
    except BaseException as error:
        return {"seed": seed, "file": None, "refused": str(error)[:200]}
    model = out.getvalue() if plain else altered(rng, out.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    named = [processor.id_to_piece(i) for i in range(processor.get_piece_size()) if processor.is_control(i)]
    texts = []
    while len(texts) < 8:
        text = text_of(rng)
        # Control pieces are found in texts here, as in transformers, and are not there.
        if any(name in text for name in named) or "\0" in text:
            continue
        ids = processor.encode(text)
        some = [rng.randrange(processor.get_piece_size()) for _ in range(6)]
        texts.append({"text": text, "ids": ids, "plain": ids, "some": some, "decoded": None, "skipped": processor.decode(ids),
                      "random": None, "randomSkipped": processor.decode(some)})
    return {"seed": seed, "file": {"model": base64.b64encode(model).decode()}, "texts": texts}


def files_case(seed):
    import shutil
    import tempfile
    import warnings
    rng = random.Random(seed)
    files = {"config.json": {"model_type": "mistral"}}
    flag = lambda p=0.5: rng.random() < p
    config = {}
    kind = rng.choice(["json", "json", "json", "merges", "merges", "model"])
    if kind == "json":
        file = tokenizer_json(rng)
        files["tokenizer.json"] = file
        names = [t["content"] for t in file["added_tokens"]]
        config["tokenizer_class"] = rng.choice(["PreTrainedTokenizerFast", "TokenizersBackend"])
    elif kind == "merges":
        file = byte_level(rng)
        files["vocab.json"] = file["vocab"]
        files["merges.txt"] = "#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in file["merges"])
        name, model = rng.choice([("GPT2Tokenizer", "gpt2"), ("GPT2Tokenizer", "opt"), ("GPTNeoXTokenizer", "gpt_neox"), ("Qwen2Tokenizer", "qwen3")])
        files["config.json"] = {"model_type": model}
        if flag():
            config["tokenizer_class"] = name
        if flag(0.2):
            config["add_prefix_space"] = True
        names = ["<|endoftext|>"]
    else:
        case = pieces_case(seed, plain=True)
        if case["file"] is None:
            return case
        files["tokenizer.model"] = case["file"]
        names = ["<s>", "</s>", "<unk>"]
    pool = names * 3 + [one for one in ADDED if kind != "model" or one != "abab"]
    token = lambda: rng.choice(pool)
    spelt = lambda content: content if flag(0.7) else {"content": content, "lstrip": flag(0.3), "rstrip": flag(0.3), "normalized": flag(0.3),
                                                      "single_word": kind != "model" and flag(0.2)}
    tag = lambda value: {"__type": "AddedToken", **value} if isinstance(value, dict) else value
    for key in ["bos_token", "eos_token", "unk_token", "pad_token", "cls_token"]:
        if flag(0.4):
            config[key] = tag(spelt(token()))
    if flag(0.3):
        config["additional_special_tokens"] = [tag(spelt(token())) for _ in range(rng.randint(0, 3))]
    for key in ["add_bos_token", "add_eos_token", "clean_up_tokenization_spaces"]:
        if flag(0.4):
            config[key] = flag()
    if flag(0.2) and kind == "json":
        config["added_tokens_decoder"] = {str(t["id"]): {k: (v if flag(0.95) else not v) if k != "content" else v for k, v in t.items() if k != "id"}
                                          for t in file["added_tokens"] if flag(0.8)}
    if flag(0.4):
        files["special_tokens_map.json"] = {key: spelt(token()) for key in ["bos_token", "eos_token", "unk_token", "mask_token"] if flag(0.5)}
    if flag(0.3):
        size = 5000
        files["added_tokens.json"] = {content: size + i for i, content in enumerate(rng.sample(ADDED, rng.randint(1, 3)))}
    if flag(0.9):
        files["tokenizer_config.json"] = config
    folder = tempfile.mkdtemp()
    warnings.simplefilter("ignore")
    try:
        for name, content in files.items():
            raw = base64.b64decode(content["model"]) if name == "tokenizer.model" else (
                content if isinstance(content, str) else json.dumps(content)).encode()
            with open(f"{folder}/{name}", "wb") as out:
                out.write(raw)
        from transformers import AutoTokenizer
        tokenizer = AutoTokenizer.from_pretrained(folder)
        texts = []
        for _ in range(8):
            text = text_of(rng)
            if flag(0.3):
                text += rng.choice([token(), " " + token() + " ", token() + token()]) + text_of(rng)
            if kind == "model":
                # The library makes something else of some of these vocabularies than sentencepiece does, which is the judge.
                import sentencepiece
                processor = sentencepiece.SentencePieceProcessor(model_proto=base64.b64decode(files["tokenizer.model"]["model"]))
                bare = rng.choice(["the quick brown fox", "foo bar x y", "The the end", "Hello World"])
                if tokenizer(bare, add_special_tokens=False).input_ids != processor.encode(bare):
                    continue
                # Other control pieces are found in texts by one of its models and not by the other.
                given = [t for t in ADDED if t != "<unk>" and json.dumps(t) in json.dumps({**files, "tokenizer.model": None})]
                text = bare + rng.choice(given or [""]) + bare
            ids = tokenizer(text).input_ids
            plain = tokenizer(text, add_special_tokens=False).input_ids
            case = {"text": text, "ids": ids, "plain": plain, "some": [], "random": None}
            for key, skip in [("decoded", False), ("skipped", True)]:
                try:
                    case[key] = tokenizer.decode(ids, skip_special_tokens=skip) if kind != "model" else None
                except BaseException:
                    case[key] = None
            texts.append(case)
        named = {"bos": tokenizer.bos_token_id if tokenizer.bos_token else None, "eos": tokenizer.eos_token_id if tokenizer.eos_token else None,
                 "bosToken": tokenizer.bos_token, "eosToken": tokenizer.eos_token}
        return {"seed": seed, "file": files, "named": named, "texts": texts}
    except BaseException as error:
        return {"seed": seed, "file": files, "refused": f"{type(error).__name__} {error}"[:200]}
    finally:
        shutil.rmtree(folder)


def byte_level(rng):
    from tokenizers import pre_tokenizers
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = [list(p) for _ in range(30) for p, _ in split.pre_tokenize_str(text_of(rng))]
    tokens, merges = ["<|endoftext|>"] + letters, []
    if rng.random() < 0.5:
        tokens = ["<s>", "<pad>", "</s>", "<unk>"] + letters + ["<|endoftext|>"] * (rng.random() < 0.5)
    for _ in range(rng.choice([50, 200])):
        pairs = sorted({(a, b) for w in words for a, b in zip(w, w[1:])})
        if not pairs:
            break
        a, b = rng.choice(pairs)
        if a + b in tokens:
            continue
        merges.append((a, b))
        tokens.append(a + b)
        for w in words:
            i = 0
            while i < len(w) - 1:
                if w[i] == a and w[i + 1] == b:
                    w[i: i + 2] = [a + b]
                i += 1
    return {"vocab": {t: i for i, t in enumerate(tokens)}, "merges": merges}


def altered(rng, model):
    """Now and then pieces are unused, or have other scores, as hand-made vocabularies do."""
    from sentencepiece import sentencepiece_model_pb2
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model)
    if rng.random() < 0.4:
        for piece in proto.pieces:
            if piece.type == 1 and rng.random() < 0.15:
                piece.type = 5
    if rng.random() < 0.4:
        for piece in proto.pieces:
            if piece.type == 1:
                piece.score = rng.choice([-1.0, -2.0, -3.5, -rng.random() * 12, 0.0, 1.5])
    if rng.random() < 0.2:
        proto.trainer_spec.unk_surface = rng.choice(["<?>", ""])
    if rng.random() < 0.1:
        proto.normalizer_spec.escape_whitespaces = False
    if rng.random() < 0.1 and proto.normalizer_spec.precompiled_charsmap:
        proto.denormalizer_spec.precompiled_charsmap = proto.normalizer_spec.precompiled_charsmap
    return proto.SerializeToString()


def charsmaps():
    """Compiled tables of sentencepiece: its own rules, and one of random replacements."""
    for rule in ["nmt_nfkc", "nfkc", "nfkc_cf"]:
        CHARSMAPS.append(base64.b64encode(spec_of(rule)).decode())


def spec_of(rule):
    import io
    import sentencepiece
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(["hello world", "the fox"] * 20), model_writer=out, vocab_size=20,
                                             hard_vocab_limit=False, normalization_rule_name=rule, minloglevel=2)
    return normalizer_spec(out.getvalue())


def normalizer_spec(model):
    """The charsmap of a model: field 2 of its field 3."""
    def fields(data):
        at = 0
        while at < len(data):
            key, at = varint(data, at)
            if key & 7 == 2:
                size, at = varint(data, at)
                yield key >> 3, data[at: at + size]
                at += size
            elif key & 7 == 0:
                value, at = varint(data, at)
            else:
                at += 4 if key & 7 == 5 else 8

    def varint(data, at):
        value = shift = 0
        while True:
            byte = data[at]
            value |= (byte & 127) << shift
            at += 1
            shift += 7
            if byte < 128:
                return value, at

    for number, data in fields(model):
        if number == 3:
            return next(d for n, d in fields(data) if n == 2)


def main():
    sort, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    charsmaps()
    if sort == "files":
        import transformers
        transformers.logging.set_verbosity_error()
        from transformers import AutoTokenizer, TokenizersBackend  # once, before the processes part
    case = {"json": json_case, "pieces": pieces_case, "files": files_case}[sort]
    for seed in range(first, first + count):
        print(json.dumps({"sort": sort, **apart(case, seed)}, ensure_ascii=True), flush=True)


def apart(case, seed):
    """A case in a process of its own: the library may abort, or ask for all memory there is."""
    import os
    import resource
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with os.fdopen(write, "w") as out:
            out.write(json.dumps(case(seed)))
            out.flush()
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as inp:
        text = inp.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {"seed": seed, "file": None, "refused": "the library ended its process"}


main()
