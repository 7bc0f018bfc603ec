"""All results in one table of ratios: above 1, ours is the quicker."""

from collections.abc import Iterator
from typing import Any

from benchmarks.scaling import growth


def markdown(results: dict[str, dict[str, Any]]) -> str:
    """The table of what was measured, with dates and machines."""
    head = ["| what | ours | against | ratio |", "|---|---|---|---|"]
    where: dict[tuple[str, str], list[str]] = {}
    for name, result in results.items():
        where.setdefault((result["date"], result["machine"]), []).append(name)
    if len(where) == 1:
        return "\n".join([*head, *lines(results), "", *(f"{date}, {machine}." for date, machine in where)])
    notes = [f"{', '.join(names)}: {date}, {machine}." for (date, machine), names in where.items()]
    return "\n".join([*head, *lines(results), "", *notes])


def lines(results: dict[str, dict[str, Any]]) -> Iterator[str]:
    for name, result in results.items():
        if name.startswith("train-"):
            yield from training(result)
    if "decode" in results:
        yield from decoding(results["decode"])
    if "scaling" in results:
        yield from scaling(results["scaling"])
    if "checks" in results:
        yield from checking(results["checks"])
    for name, result in results.items():
        if name.startswith("quality-"):
            yield f"| quality after {result['minutes']:.1f} minutes | BLEU {result['bleu']:.1f} | | |"


def checking(result: dict[str, Any]) -> Iterator[str]:
    for kind in ("right", "wrong"):
        took = result[kind]
        seconds = f"median {took['median']:.2f} s, worst {took['worst']:.2f} s"
        yield f"| a check, {took['n']} {kind} definitions | {seconds} | | |"
    yield f"| the first check | {result['first']:.1f} s | | |"


def training(result: dict[str, Any]) -> Iterator[str]:
    name, (speed, low, high) = next((n, s) for n, s in result["speeds"].items() if n.startswith("ours"))
    what, ours = f"training, {result['size']}, {name[6:-1]}", f"{speed:,.0f} tokens/s ({low:,.0f} to {high:,.0f})"
    against = "torch.nn.Transformer as people write it"
    yield f"| {what} | {ours} | {against} | {result['to_nn_transformer']:.2f} |"
    yield f"| | | {result['best_peer']} (of all peers) | {result['to_best_peer']:.2f} |"
    peak = f"{result['peak_gflops']:,.0f} GFLOP/s, {result['peak_dtype']} products"
    yield f"| | | {peak} | {result['share_of_peak']:.0%} |"


def decoding(result: dict[str, Any]) -> Iterator[str]:
    speeds = result["speeds"]
    for beam, name in (("1", "greedy"), ("4", "beam 4")):
        for engine, ratios in result["ratios"].items():
            ours = f"{speeds[engine][beam]:,.0f} sentences/s"
            if engine.startswith("ours, readable"):
                yield f"| {name} | | {engine} ({ours}) | {ratios[beam]:.1f} |"
            elif engine.startswith("ours"):
                yield f"| {name}, {engine[6:]} | {ours} | | |"
            else:
                yield f"| {name} | | {engine} ({ours}) | {ratios[beam]:.2f} |"
    for engine, score in result["bleu"].items():
        yield f"| BLEU, beam 4 | | {engine} | {score:.2f} |"
    for engine, shares in result["same"].items():
        yield f"| same output, alpha 0 | | {engine} | {shares['1']:.1%} greedy, {shares['4']:.1%} beam 4 |"


def scaling(result: dict[str, Any]) -> Iterator[str]:
    for name, points in result["training"].items():
        last = points[-1]
        value = f"{last['seconds']:.2f} s, {last['megabytes']:,.0f} MB at {last['x']:,.0f}"
        exponents = f"time ~ x^{growth(points):.1f}, memory ~ x^{growth(points, 'megabytes'):.1f}"
        yield f"| a step by {name} | {value} | | {exponents} |"
    for name, points in result["decoding"].items():
        last = points[-1]
        yield f"| writing {last['x']} words, {name} | {last['seconds']:.2f} s | | time ~ x^{growth(points):.1f} |"
