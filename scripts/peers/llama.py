"""llama.cpp's shared library through ctypes; standard library only.

`folder` below is one that holds libllama and its ggml libraries: what `fetch_llama.py` prints, or
`build/bin` of an own llama.cpp build.

The two parameter structs are handled as opaque blobs, of which only the leading fields are set
(`n_gpu_layers`; `n_ctx`, `n_batch`, `n_ubatch`): those have kept their places for years, while
the rest of the structs changes with every release. Seen working with node-llama-cpp 3.22.1 and
llama-cpp-python 0.3.36.
"""

import ctypes as c
import sys
from pathlib import Path


class _Blob(c.Structure):
    # Larger than either struct has ever been.
    _fields_ = [("words", c.c_int32 * 128)]


class _Batch(c.Structure):
    _fields_ = [
        ("n_tokens", c.c_int32),
        ("token", c.POINTER(c.c_int32)),
        ("embd", c.c_void_p),
        ("pos", c.c_void_p),
        ("n_seq_id", c.c_void_p),
        ("seq_id", c.c_void_p),
        ("logits", c.POINTER(c.c_int8)),
    ]


_LOG = c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)
_LOG_ERROR = 4

# GGML_BACKEND_DEVICE_TYPE_GPU and _IGPU; the processor is 0.
_GPU_TYPES = (1, 2)


@_LOG
def _only_errors(level, text, _):
    if level == _LOG_ERROR:
        sys.stderr.write(text.decode(errors="replace"))


def _set_flash(parameters):
    """Asks for flash attention, if its place is found; otherwise llama.cpp decides for itself.

    The field is the last of four that are -1 by default: the kinds of rope scaling, pooling and
    attention are left to the model, flash attention to llama.cpp.
    """
    for at in range(3, 12):
        if list(parameters.words[at : at + 4]) == [-1] * 4 and parameters.words[at + 4] != -1:
            parameters.words[at + 3] = 1
            return True
    return False


def _gpus(ggml):
    """The GPUs that llama.cpp found, as it describes them."""
    ggml.ggml_backend_dev_count.restype = c.c_size_t
    ggml.ggml_backend_dev_get.restype = c.c_void_p
    ggml.ggml_backend_dev_get.argtypes = [c.c_size_t]
    device = {}
    for name, result in (("name", c.c_char_p), ("description", c.c_char_p), ("type", c.c_int)):
        device[name] = function = getattr(ggml, f"ggml_backend_dev_{name}")
        function.restype, function.argtypes = result, [c.c_void_p]
    all_devices = map(ggml.ggml_backend_dev_get, range(ggml.ggml_backend_dev_count()))
    found = [it for it in all_devices if device["type"](it) in _GPU_TYPES]
    return [f"{device['name'](it).decode()}: {device['description'](it).decode()}" for it in found]


def _load(folder, stem):
    """libSTEM.so, or with a version before the suffix, as node-llama-cpp names its files."""
    for pattern in (f"lib{stem}.so", f"lib{stem}.*.so", f"lib{stem}.dylib", f"{stem}.dll"):
        for path in sorted(folder.glob(pattern)):
            return c.CDLL(str(path), mode=c.RTLD_GLOBAL)
    raise FileNotFoundError(f"no lib{stem} in {folder}")


class Llama:
    """One model with one context, on the CPU unless layers are put on a GPU."""

    def __init__(self, folder, model, threads, context=2048, gpu_layers=0, flash=False):
        folder = Path(folder).resolve()
        _load(folder, "ggml-base")
        ggml = _load(folder, "ggml")
        self._lib = lib = _load(folder, "llama")
        for name, result, *arguments in (
            ("llama_model_default_params", _Blob),
            ("llama_context_default_params", _Blob),
            ("llama_model_load_from_file", c.c_void_p, c.c_char_p, _Blob),
            ("llama_init_from_model", c.c_void_p, c.c_void_p, _Blob),
            ("llama_set_n_threads", None, c.c_void_p, c.c_int32, c.c_int32),
            ("llama_model_get_vocab", c.c_void_p, c.c_void_p),
            ("llama_vocab_n_tokens", c.c_int32, c.c_void_p),
            ("llama_tokenize", c.c_int32, c.c_void_p, c.c_char_p, c.c_int32,
             c.POINTER(c.c_int32), c.c_int32, c.c_bool, c.c_bool),
            ("llama_token_to_piece", c.c_int32, c.c_void_p, c.c_int32, c.c_char_p,
             c.c_int32, c.c_int32, c.c_bool),
            ("llama_decode", c.c_int32, c.c_void_p, _Batch),
            ("llama_get_logits_ith", c.POINTER(c.c_float), c.c_void_p, c.c_int32),
            ("llama_synchronize", None, c.c_void_p),
            ("llama_get_memory", c.c_void_p, c.c_void_p),
            ("llama_memory_clear", None, c.c_void_p, c.c_bool),
            ("llama_log_set", None, _LOG, c.c_void_p),
            ("llama_print_system_info", c.c_char_p),
        ):  # fmt: skip
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
        lib.llama_log_set(_only_errors, None)
        ggml.ggml_backend_load_all_from_path(str(folder).encode())
        lib.llama_backend_init()
        self.gpus = _gpus(ggml)
        if gpu_layers and not self.gpus:
            raise RuntimeError(f"llama.cpp's libraries in {folder} find no GPU to put layers on")

        parameters = lib.llama_model_default_params()
        parameters.words[4] = gpu_layers  # n_gpu_layers, after two pointers
        self._model = lib.llama_model_load_from_file(str(model).encode(), parameters)
        if not self._model:
            raise RuntimeError(f"llama.cpp cannot load {model}")
        parameters = lib.llama_context_default_params()
        parameters.words[0] = context  # n_ctx
        parameters.words[1] = context  # n_batch: a whole prompt in one call
        self.ubatch = parameters.words[2] = min(context, 512)  # n_ubatch, llama.cpp's own default
        self.flash = flash and _set_flash(parameters)
        self._context = lib.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise RuntimeError(f"llama.cpp cannot make a context of {context} tokens")
        lib.llama_set_n_threads(self._context, threads, threads)
        self._vocabulary = lib.llama_model_get_vocab(self._model)
        self.vocabulary_size = lib.llama_vocab_n_tokens(self._vocabulary)

    def system_info(self):
        return self._lib.llama_print_system_info().decode()

    def tokenize(self, text, add_special, parse_special):
        data = text.encode()
        room = len(data) + 16
        ids = (c.c_int32 * room)()
        count = self._lib.llama_tokenize(
            self._vocabulary, data, len(data), ids, room, add_special, parse_special
        )
        if count < 0:
            raise RuntimeError(f"tokenizer needs room for {-count} tokens")
        return ids[:count]

    def text(self, ids):
        buffer = c.create_string_buffer(512)
        out = b""
        for token in ids:
            size = self._lib.llama_token_to_piece(self._vocabulary, token, buffer, 512, 0, True)
            out += buffer.raw[:size]
        return out.decode(errors="replace")

    def clear(self):
        self._lib.llama_memory_clear(self._lib.llama_get_memory(self._context), True)

    def evaluate(self, ids, every=False):
        """Append `ids` and wait; logits afterwards through `logits`, of the last or `every` one."""
        count = len(ids)
        tokens = (c.c_int32 * count)(*ids)
        wanted = (c.c_int8 * count)(*([1] * count)) if every else None
        batch = _Batch(n_tokens=count, token=tokens, logits=wanted)
        status = self._lib.llama_decode(self._context, batch)
        if status != 0:
            raise RuntimeError(f"llama_decode answers {status}")
        self._lib.llama_synchronize(self._context)

    def logits(self, row=-1):
        """A ctypes float array over the library's memory, valid until the next `evaluate`."""
        pointer = self._lib.llama_get_logits_ith(self._context, row)
        return c.cast(pointer, c.POINTER(c.c_float * self.vocabulary_size)).contents
