"""Tokenizers of 288 tokens for the tiny models, as GGUF metadata and as tokenizer.json.

Both forms of one tokenizer give the same ids. They only have to be complete and well-formed; real
tokenizers are tested elsewhere.
"""

from gguf import TokenType
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

SPACE = "\u2581"
LETTERS = "etaoinshrdlucmfwypvbgkqjxz"
WORD_STARTS = ["t", "a"]
PAIRS = (
    "th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou io"
).split()
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def sentencepiece_tokens():
    """[(token, kind, score)]: three control tokens, 256 bytes, 29 pieces."""
    tokens = [("<unk>", TokenType.UNKNOWN, 0.0)]
    tokens += [("<s>", TokenType.CONTROL, 0.0), ("</s>", TokenType.CONTROL, 0.0)]
    tokens += [(f"<0x{byte:02X}>", TokenType.BYTE, 0.0) for byte in range(256)]
    pieces = [SPACE + start for start in WORD_STARTS] + [SPACE] + list(LETTERS)
    tokens += [(piece, TokenType.NORMAL, -1.0 - rank) for rank, piece in enumerate(pieces)]
    return tokens


def byte_letters():
    """The printable stand-ins that byte-level BPE gives to the 256 bytes, in GPT-2's order."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    letters.update({byte: chr(256 + rank) for rank, byte in enumerate(rest)})
    return [letters[byte] for byte in printable + rest]


def sentencepiece_gguf(writer):
    tokens, kinds, scores = zip(*sentencepiece_tokens())
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)


def byte_level_gguf(writer):
    tokens = byte_letters() + PAIRS + SPECIAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    ordinary = len(tokens) - len(SPECIAL)
    writer.add_token_types([TokenType.NORMAL] * ordinary + [TokenType.CONTROL] * len(SPECIAL))
    writer.add_token_merges([f"{pair[0]} {pair[1]}" for pair in PAIRS])
    writer.add_bos_token_id(tokens.index("<|endoftext|>"))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_add_bos_token(False)


def sentencepiece_json(path):
    vocabulary = {token: index for index, (token, _, _) in enumerate(sentencepiece_tokens())}
    merges = [(SPACE, start) for start in WORD_STARTS]
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(),
         decoders.Strip(" ", 1, 0)]
    )  # fmt: skip
    tokenizer.add_special_tokens(
        [AddedToken(token, normalized=False, special=True) for token in ("<unk>", "<s>", "</s>")]
    )
    tokenizer.save(str(path))


def byte_level_json(path):
    tokens = byte_letters() + PAIRS
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [(pair[0], pair[1]) for pair in PAIRS]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    tokenizer.save(str(path))
