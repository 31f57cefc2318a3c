"""Write docs/model-zoo.md from the registry, the cards of the shipped weights and ablation runs; no figure is typed.

python tools/model_zoo.py                              # the page anew, and the tables of components in other pages
python tools/model_zoo.py --ablations runs/a runs/b    # first add the figures of these finished runs
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from component_tables import parts_section, rewrite

from fer_zoo import weights
from fer_zoo.card import confusion_table
from fer_zoo.hub.published import Published, published
from fer_zoo.recipes import load_recipe
from fer_zoo.specs import WeightsCard

DOCS = Path(__file__).parent.parent / "docs"
PAGE, RESULTS = DOCS / "model-zoo.md", DOCS / "results" / "ablations.json"

HEAD = """\
# Model zoo

<!-- Written by `python tools/model_zoo.py` from the registry and the weights' cards; do not edit. -->
"""

WEIGHTS = """
## Weights

Weights that come with the package. `create_model(NAME, pretrained=True)` loads them offline, sha256 checked, strictly.

All were trained on **synthetic faces**; the figures are of held-out synthetic identities and are not comparable with
published figures on CK+, MMI, FERA or DISFA. WAR is accuracy, UAR the mean recall of the classes. They are of the
faces as they were drawn at the commit that a card names; what became of them since is in the [lab log](lab-log.md).
"""


def percent(value: float) -> str:
    """A fraction as per cent with one decimal."""
    return f"{100 * value:.1f}"


def short(commit: str) -> str:
    """A commit's first letters, and whether the tree was changed since."""
    return commit[:12] + ("-dirty" if commit.endswith("-dirty") else "")


def weights_section(name: str, card: WeightsCard) -> str:
    """Table and confusion matrix of one set of weights."""
    rows = "\n".join(
        f"| {part} | {m.subjects} | {m.clips} | {percent(m.war)} | {percent(m.uar)} |"
        for part, m in card.metrics.items()
    )
    table = "\n".join(confusion_table(card.metrics["test"], card.labels))
    model, _, tag = name.partition(".")
    recipe = f"release/{model}"
    return f"""
### {name}

| part | identities | clips | WAR % | UAR % |
|---|---|---|---|---|
{rows}

Made by `fer-zoo train {recipe} --tag {tag}` at commit `{short(card.commit)}` in
{card.hours:.1f} hours on {card.hardware} (rendering the clips not counted). Protocol:
{card.protocol}. Terms: {card.terms}

Confusion on the test identities (rows: true label, columns: predicted):

{table}
"""


def ablation_section(runs: dict[str, dict[str, object]]) -> str:
    """One row per ablation run."""
    lines = []
    # The row that all are compared with comes first.
    for name, run in sorted(runs.items(), key=lambda run: (run[0] != "base", run[0])):
        card = WeightsCard.model_validate(run["card"])
        test = card.metrics["test"]
        lines.append(
            f"| `ablations/{name}` | {run['description']} | {percent(test.war)} | {percent(test.uar)} | "
            f"{card.hours:.2f} | `{short(card.commit)}` |"
        )
    return f"""
## Ablation on a smaller budget

The release recipe on 300 training identities and fewer epochs (`fer-zoo train ablations/NAME`), the same
{test.subjects} test identities ({test.clips} clips), **one seed each**: differences of a few points are not
significant. `paper_2d` changes three things at once (kernels, head, fusion), as the paper's 2D column does. Machine:
{card.hardware}.

| recipe | what it is | WAR % | UAR % | hours | commit |
|---|---|---|---|---|---|
{chr(10).join(lines)}
"""


def collect(folders: list[Path]) -> dict[str, dict[str, object]]:
    """Card and description of finished runs, by the name of the run folder, which is the recipe's."""
    runs: dict[str, dict[str, object]] = {}
    for folder in folders:
        card = weights.read_folder(folder / "weights").card
        description = load_recipe(folder / "recipe.yaml").description
        runs[folder.name] = {"description": description, "card": card.model_dump(mode="json")}
    return runs


def published_section(table: Mapping[str, Published]) -> str:
    """Where published weights lie; nothing, as long as none are."""
    if not table:
        return ""
    rows = "\n".join(
        f"| `{name}` | [{one.repo}](https://huggingface.co/{one.repo}/tree/{one.commit}) | `{short(one.commit)}` | "
        f"`{one.sha256[:12]}` |"
        for name, one in sorted(table.items())
    )
    return f"""
## Published weights

On the Hugging Face Hub, pinned to a commit; `create_model(NAME, pretrained=True)` pulls those that do not come with the
package, and takes no other content than that of the sha256. Their cards, with figures and terms, lie there.

| weights | repository | commit | sha256 |
|---|---|---|---|
{rows}
"""


def page() -> str:
    """The whole page."""
    sections = [weights_section(name, weights.read_folder(path).card) for name, path in weights.bundled().items()]
    sections.append(published_section(published()))
    if RESULTS.is_file():
        sections.append(ablation_section(json.loads(RESULTS.read_text())))
    return HEAD + parts_section() + WEIGHTS + "".join(sections)


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ablations", nargs="*", type=Path, default=[], metavar="RUN")
    folders = parser.parse_args().ablations
    if folders:
        RESULTS.parent.mkdir(exist_ok=True)
        known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
        RESULTS.write_text(json.dumps({**known, **collect(folders)}, indent=1) + "\n")
    PAGE.write_text(page())
    rewrite(DOCS)


if __name__ == "__main__":
    main()
