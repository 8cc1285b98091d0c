"""The studies behind the README's table of pixel attacks: prepares them, runs or resumes each, prints the rows.

    .venv/bin/python tools/study_pixel.py --assets ../shared/assets/cifar10 [--only su2019-full ...] [--print-only]

Every study is a `rig attack pixel` command of its own, shown as it is run; killed and started again it goes on where it
stopped. Sizes are stated; --limit and --max-queries change them for all and stand in the rows.
"""

import argparse
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import foolbox
import numpy as np

from rig.model.card import write_card
from rig.model.guess import guess_card
from rig.report.words import interval, percent

CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
TUNED_ON = np.random.default_rng(5).permutation(1000)[:60]  # images on which the preset `rig` was chosen: not judged on
NETWORKS = ("allconv", "nin")
BOTH = [word for name in NETWORKS for word in ("--model", f"{{models}}/{name}.onnx")]
ONE = ["--model", "{models}/nin.onnx"]
SCORES_ONLY = ["--search", "rig", "--search", "su2019"]
# at equal queries the paper's search ends at its first success: the outcome is the same, the rest of its queries saved
FIRST_SUCCESS = ["--set", "search.stop=success"]
AT_8000 = ["--max-queries", "8000", "--limit", "100"]

# name: (images, arguments); the number of queries if nothing succeeded is images x searches x pixels x budget
STUDIES: dict[str, tuple[str, list[str]]] = {
    "su2019-full": ("cifar10", [*BOTH, "--pixels", "1", "--search", "su2019", *FIRST_SUCCESS, "--limit", "100"]),
    "equal-8000": (  # the reference tries every position and corner of the colour cube: 8,192 queries of its own
        "cifar10",
        [*BOTH, "--pixels", "1,3,5", *SCORES_ONLY, "--search", "exhaustive", *FIRST_SUCCESS, *AT_8000],
    ),
    # without the smaller K before, from which `rig` begins and su2019 does not: each K's own 8,000 queries alone
    **{
        f"alone-{k}": ("cifar10", [*BOTH, "--pixels", str(k), "--search", "rig", *FIRST_SUCCESS, *AT_8000])
        for k in (3, 5)
    },
    **{
        f"{search}-8000": ("cifar10", [*BOTH, "--pixels", "1,3,5", "--search", search, *FIRST_SUCCESS, *AT_8000])
        for search in ("random", "white-box")
    },
    "any-target": (
        "cifar10",
        [*ONE, "--pixels", "1,3,5", "--any-target", *SCORES_ONLY, *FIRST_SUCCESS]
        + ["--max-queries", "2000", "--limit", "10"],
    ),
    **{
        f"imagenet-lite{n}": (
            "imagenet",
            ["--model", f"efficientnet-lite{n}", "--resize", "--pixels", "1,3,5", *SCORES_ONLY, *FIRST_SUCCESS]
            + ["--max-queries", "500"],
        )
        for n in range(3)
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--assets", type=Path, required=True, help="the folder with allconv.onnx, nin.onnx, test1000.npz"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/pixel"))
    parser.add_argument("--only", action="append", choices=list(STUDIES))
    parser.add_argument("--limit", type=int, help="images, instead of the study's own")
    parser.add_argument("--max-queries", type=int, help="instead of the study's own")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--print-only", action="store_true", help="rows of what is there; nothing is run")
    asked = parser.parse_args()
    places = {"cifar10": str(asked.out / "cifar10.npz"), "imagenet": str(asked.out / "imagenet")}
    if not asked.print_only:
        prepare(asked.assets, asked.out)
    for name in asked.only or STUDIES:
        images, arguments = STUDIES[name]
        words = [word.format(models=asked.out / "models") for word in arguments]
        changed = {"--limit": asked.limit, "--max-queries": asked.max_queries}
        for option, value in changed.items():
            words = instead(words, option, value)
        command = [
            "attack",
            "pixel",
            places[images],
            *words,
            "--threads",
            str(asked.threads),
            "--out",
            str(asked.out / name),
        ]
        print(f"rig {shlex.join(command)}", flush=True)
        if not asked.print_only and subprocess.run([sys.executable, "-m", "rig", *command]).returncode:
            sys.exit(f"{name} did not finish; the same command goes on with it")
        print("\n".join(rows(asked.out / name)), flush=True)


def instead(words: list[str], option: str, value: int | None) -> list[str]:
    if value is None:
        return words
    if option in words:
        at = words.index(option)
        return [*words[: at + 1], str(value), *words[at + 2 :]]
    return [*words, option, str(value)]


def prepare(assets: Path, out: Path) -> None:
    """The networks beside cards with the classes' names; CIFAR-10 images; foolbox's ImageNet samples with their labels."""
    (out / "models").mkdir(parents=True, exist_ok=True)
    (out / "imagenet").mkdir(parents=True, exist_ok=True)
    for name in NETWORKS:
        path = out / "models" / f"{name}.onnx"
        path.write_bytes((assets / f"{name}.onnx").read_bytes())
        write_card(guess_card(path).model_copy(update={"labels": CIFAR10, "name": name}), path)
    with np.load(assets / "test1000.npz", allow_pickle=False) as all_of_them:
        unseen = np.setdiff1d(np.arange(len(all_of_them["labels"])), TUNED_ON)
        images, labels = all_of_them["images"][unseen], all_of_them["labels"][unseen]
    np.savez(out / "cifar10.npz", images=images, labels=labels)
    files = sorted((Path(foolbox.__file__).parent / "data").glob("imagenet_*.jpg"))
    classes = [re.search(r"_(\d+)\.jpg", file.name)[1] for file in files]
    lines = [f"{file.name},{label}" for file, label in zip(files, classes, strict=True)]
    for file in files:
        (out / "imagenet" / file.name).write_bytes(file.read_bytes())
    (out / "imagenet" / "labels.csv").write_text("\n".join(["file,label", *lines]) + "\n")


def rows(run: Path) -> list[str]:
    """Markdown: network, search, pixels, budget, k of n, rate with interval; then the paired comparisons."""
    if not (run / "metrics.json").exists():
        return ["(not finished)"]
    metrics, config = (json.loads((run / name).read_text()) for name in ("metrics.json", "run.json"))
    budgets = {name: one["max_queries"] for name, one in config["config"]["searches"].items()}
    found = ["| network | search | pixels | budget | fooled | 95 % interval | half within |", "|" + "---|" * 7]
    for step in metrics["steps"]:
        one, budget = step["success"], budgets[step["search"]]
        half = step["success_query_median"]
        found.append(
            f"| {step['found_on']} | {step['search']} | {step['pixels']} | {f'{budget:,}' if budget else 'its own'} "
            f"| {one['k']} of {one['n']}, {percent(one['rate'])} | {interval(one)} | {f'{half:,.0f}' if half else '–'} |"
        )
    for row in metrics["searches"]:
        found.append(
            f"{row['found_on']}, {row['pixels']} px, {row['first']} against {row['second']}: only the first "
            f"{row['only_first']}, only the second {row['only_second']}, p {row['p']:.2g}"
        )
    for row in metrics["reference"]:
        share = row["share"]
        found.append(
            f"{row['found_on']}, {row['search']}: {share['k']} of the reference's {share['n']}, {row['beyond']} beyond"
        )
    return found


if __name__ == "__main__":
    main()
