"""Prefill and decoding of Hugging Face transformers, for `make bench-gpu`. Prints one line of JSON: tokens per second by cell."""

import argparse
import json
import random
import statistics
import time

import torch
from transformers import AutoModelForCausalLM, StaticCache


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--prompts", type=int, nargs="+", required=True)
    parser.add_argument("--batches", type=int, nargs="+", required=True)
    return parser.parse_args()


def clock(device):
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def tokens(model, sequences, length, seed):
    source = random.Random(seed)
    rows = [[source.randrange(3, model.config.vocab_size) for _ in range(length)] for _ in range(sequences)]
    return torch.tensor(rows, device=model.device)


def prefill(model, device, length, seed):
    prompt = tokens(model, 1, length, seed)
    start = clock(device)
    model(prompt, use_cache=True, logits_to_keep=1).logits[:, -1].argmax(-1).item()
    return length / (clock(device) - start)


def decode(model, device, batch, context, steps):
    prompt = tokens(model, batch, context, 1)
    cache = StaticCache(config=model.config, max_batch_size=batch, max_cache_len=context + steps + 1, device=device, dtype=model.dtype)
    position = torch.arange(context, device=device)
    last = model(prompt, past_key_values=cache, cache_position=position, logits_to_keep=1).logits[:, -1:].argmax(-1)
    start = clock(device)
    for step in range(steps):
        position = torch.tensor([context + step], device=device)
        last = model(last, past_key_values=cache, cache_position=position).logits[:, -1:].argmax(-1)
        last.tolist()  # A server needs each token on the host.
    return batch * steps / (clock(device) - start)


def median(options, measure):
    return statistics.median([measure(seed) for seed in range(options.rounds + 1)][1:])  # The first one warms up.


@torch.inference_mode()
def main():
    options = arguments()
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.bfloat16, attn_implementation="sdpa").to(options.device).eval()
    cells = {}
    for length in options.prompts:
        cells[f"prefill {length}"] = median(options, lambda seed: prefill(model, options.device, length, seed))
    for batch in options.batches:
        cells[f"decode {batch}"] = median(options, lambda _: decode(model, options.device, batch, options.context, options.steps))
    print(json.dumps(cells))


main()
