#!/usr/bin/env python3
"""PyTorch as a contestant of `dacapo-bench model`: a Llama or Qwen3 forward pass over made weights.

    PYTHON scripts/peers/torch_peer.py       (a Python with PyTorch 2.5 or later)

Weights are bf16 or f16, projections of the same input are one matrix, the cache is static. Blocks are compiled, a decode
step on CUDA is one CUDA graph, and its tokens come to the host one step behind. Where a compiler is missing, the settings
say so.
"""

import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from contestant import serve

SHAPES = Path(__file__).resolve().parents[2] / "dacapo-bench" / "shapes.json"
TYPES = {"bf16": torch.bfloat16, "f16": torch.float16}
# Decode steps attend to so many positions or a multiple of it: each multiple is a graph of its own.
EXTENT = 256


def rounded_up(positions):
    return -(-positions // EXTENT) * EXTENT


class Decoder:
    """The weights and the cache of one shape, and what a forward pass does with them."""

    def __init__(self, shape, dtype, capacity, device):
        self.shape, self.dtype, self.device = shape, dtype, device
        width, inner, head = shape["hidden_size"], shape["intermediate_size"], shape["head_dim"]
        heads, kv_heads = shape["num_attention_heads"], shape["num_key_value_heads"]
        capacity = rounded_up(capacity)

        def matrix(rows, cols):
            return torch.randn(rows, cols, dtype=dtype, device=device).mul_(0.6 / cols**0.5)

        def ones(count):
            return torch.ones(count, dtype=dtype, device=device)

        self.embedding = matrix(shape["vocab_size"], width)
        tied = shape["tie_word_embeddings"]
        self.output = self.embedding if tied else matrix(shape["vocab_size"], width)
        self.norm = ones(width)
        self.layers = []
        for _ in range(shape["num_hidden_layers"]):
            layer = {
                "norm": ones(width),
                "qkv": matrix((heads + 2 * kv_heads) * head, width),
                "o": matrix(width, heads * head),
                "ffn_norm": ones(width),
                "gate_up": matrix(2 * inner, width),
                "down": matrix(width, inner),
            }
            if shape["architecture"] == "qwen3":
                layer |= {"q_norm": ones(head), "k_norm": ones(head)}
            for part in "kv":
                cache = torch.zeros(1, kv_heads, capacity, head, dtype=dtype, device=device)
                layer[f"{part}_cache"] = cache
            self.layers.append(layer)
        half = torch.arange(0, head, 2, device=device, dtype=torch.float64)
        turns = shape["rope_theta"] ** (-half / head)
        angles = torch.arange(capacity, device=device, dtype=torch.float64)[:, None] * turns
        angles = torch.cat([angles, angles], dim=-1)
        self.cos, self.sin = angles.cos().to(dtype), angles.sin().to(dtype)
        self.all_positions = torch.arange(capacity, device=device)

    def rms_norm(self, x, weight):
        return F.rms_norm(x, (x.shape[-1],), weight, self.shape["rms_norm_eps"])

    def block(self, x, layer, positions, cos, sin, mask):
        """One layer; without a mask the tokens are the first ones, and each sees those before it."""
        count = x.shape[0]
        head, heads = self.shape["head_dim"], self.shape["num_attention_heads"]
        kv_heads = self.shape["num_key_value_heads"]
        qkv = F.linear(self.rms_norm(x, layer["norm"]), layer["qkv"]).view(count, -1, head)
        q, k, v = qkv.transpose(0, 1).split([heads, kv_heads, kv_heads])
        if "q_norm" in layer:
            q, k = self.rms_norm(q, layer["q_norm"]), self.rms_norm(k, layer["k_norm"])
        q, k = rotated(q, cos, sin), rotated(k, cos, sin)
        layer["k_cache"].index_copy_(2, positions, k[None])
        layer["v_cache"].index_copy_(2, positions, v[None])
        if mask is None:
            attended = F.scaled_dot_product_attention(
                q[None], k[None], v[None], is_causal=True, enable_gqa=True
            )
        else:
            # The heads of a group become rows of the one head that they read.
            extent, group = mask.shape[-1], heads // kv_heads
            keys, values = layer["k_cache"][:, :, :extent], layer["v_cache"][:, :, :extent]
            rows = q.reshape(1, kv_heads, group * count, head)
            attended = F.scaled_dot_product_attention(rows, keys, values, attn_mask=mask)
        attended = attended.reshape(heads, count, head).transpose(0, 1).reshape(count, -1)
        x = x + F.linear(attended, layer["o"])
        gate, up = F.linear(self.rms_norm(x, layer["ffn_norm"]), layer["gate_up"]).chunk(2, dim=-1)
        return x + F.linear(F.silu(gate) * up, layer["down"])

    def mask(self, positions, extent):
        sees = self.all_positions[:extent] <= positions[:, None]
        group = self.shape["num_attention_heads"] // self.shape["num_key_value_heads"]
        return sees.repeat(group, 1)

    def next_token(self, block, tokens, positions, extent):
        """The likeliest token behind `tokens`; an extent of 0 says that these are the first."""
        x = F.embedding(tokens, self.embedding)
        cos, sin = self.cos[positions], self.sin[positions]
        mask = self.mask(positions, extent) if extent else None
        for layer in self.layers:
            x = block(x, layer, positions, cos, sin, mask)
        return F.linear(self.rms_norm(x[-1:], self.norm), self.output).argmax(-1)


def rotated(x, cos, sin):
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


class Engine:
    def __init__(self, ask):
        if not ask["shape"]:
            raise ValueError("PyTorch takes shapes with made weights, found a file")
        name, dtype = ask["shape"]
        if dtype not in TYPES:
            raise ValueError(f"PyTorch has no kernels for {dtype}; allowed: {', '.join(TYPES)}")
        self.cuda = ask["device"] != "cpu"
        if self.cuda and not torch.cuda.is_available():
            raise ValueError("PyTorch finds no CUDA device")
        self.device = "cuda" if self.cuda else "cpu"
        torch.set_num_threads(ask["threads"])
        made = time.perf_counter()
        shape = json.loads(SHAPES.read_text())[name]
        self.decoder = Decoder(shape, TYPES[dtype], ask["capacity"], self.device)
        self.wait()
        self.making = time.perf_counter() - made
        self.token = torch.zeros(1, dtype=torch.long, device=self.device)
        self.place = torch.zeros(1, dtype=torch.long, device=self.device)
        self.position = 0
        self.graphs = {}
        compiled = self.compile()
        self.name = f"PyTorch {torch.__version__}"
        where = torch.cuda.get_device_name() if self.cuda else f"{ask['threads']} threads"
        graph = "; a decode step is one CUDA graph" if self.cuda else ""
        self.settings = f"{where}; {compiled}{graph}; fused projections; scaled_dot_product_attention over a static cache"

    def compile(self):
        """Compiles blocks, tries them, and says how."""
        import torch._dynamo as dynamo

        dynamo.config.cache_size_limit = 64
        plain = self.decoder.block
        mode = "max-autotune-no-cudagraphs"
        self.step = torch.compile(plain, dynamic=False, mode=mode)
        self.prompt = torch.compile(plain, dynamic=True)
        try:
            self.push([100, 101])
            self.decode([100])
        except Exception as error:  # noqa: BLE001 - compilers fail in many ways
            first = str(error).strip().splitlines()[:1]
            self.step = self.prompt = plain
            self.graphs = {}
            return f"not compiled ({type(error).__name__}: {' '.join(first)[:120]})"
        finally:
            self.clear()
        return f"blocks compiled ({mode}; of prompts by default)"

    def clear(self):
        self.position = 0

    @torch.inference_mode()
    def push(self, ids):
        tokens = torch.tensor(ids, device=self.device)
        positions = torch.arange(self.position, self.position + len(ids), device=self.device)
        extent = rounded_up(self.position + len(ids)) if self.position else 0
        self.token.copy_(self.decoder.next_token(self.prompt, tokens, positions, extent))
        self.position += len(ids)
        self.wait()

    @torch.inference_mode()
    def decode(self, ids):
        """As many steps as there are ids; each takes the token that the one before has found."""
        extent = rounded_up(self.position + len(ids))
        self.place.fill_(self.position)
        run = self.graph(extent) if self.cuda else lambda: self.one_step(extent)
        if self.cuda:
            found = torch.zeros(len(ids), dtype=torch.long, pin_memory=True)
            events = [torch.cuda.Event() for _ in ids]
        for at in range(len(ids)):
            run()
            if self.cuda:
                found[at : at + 1].copy_(self.token, non_blocking=True)
                events[at].record()
                if at:
                    events[at - 1].synchronize()
        self.wait()
        self.position += len(ids)

    def one_step(self, extent):
        token = self.decoder.next_token(self.step, self.token, self.place, extent)
        self.token.copy_(token)
        self.place.add_(1)

    def graph(self, extent):
        if extent not in self.graphs:
            # What is compiled has to run before it is captured, on a stream of its own.
            state = self.token.clone(), self.place.clone()
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(3):
                    self.place.copy_(state[1])
                    self.one_step(extent)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self.one_step(extent)
            self.graphs[extent] = graph
            self.token.copy_(state[0])
            self.place.copy_(state[1])
        return self.graphs[extent].replay

    def wait(self):
        if self.cuda:
            torch.cuda.synchronize()

    def device_bytes(self):
        return torch.cuda.max_memory_allocated() if self.cuda else None


def load(ask):
    begun = time.perf_counter()
    engine = Engine(ask)
    engine.load_seconds = time.perf_counter() - begun - engine.making
    return engine


if __name__ == "__main__":
    serve(load)
