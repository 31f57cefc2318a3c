"""Generate docs/model-zoo.md from the registry and the cards of the weights in the package.

`python tools/model_zoo.py` updates the page, and the tables of components in other pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from component_tables import parts_section, rewrite

from fer_zoo import weights
from fer_zoo.card import confusion_table
from fer_zoo.cli.predict import DEFAULT_MODEL
from fer_zoo.evaluation.report.format import short_commit
from fer_zoo.specs import WeightsCard
from fer_zoo.weights_table import Published, published

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "model-zoo.md"
REAL = DOCS / "real-faces.md"

HEAD = """\
# Model zoo

<!-- Written by `python tools/model_zoo.py` from the registry and the weights' cards; do not edit. -->
"""

ON_REAL_FACES = """
## What the weights read on real faces

`{name}`, which `fer-zoo predict` uses by default; how this is measured, and what it cannot say, is in
[Check on real faces](real-faces.md).

{results}

These weights read each frame by itself and were trained on more varied expressions than
`incres3d_tiny_lstm_lm_in.synth7`, the 3D network with an LSTM, which reads people who talk or walk better and other
real faces worse: [both on 416 and on 598 pictures](real-faces.md#on-416-pictures-and-on-598).
"""

WEIGHTS = """
## On rendered faces

Weights that come with the package. `create_model(NAME, pretrained=True)` loads them offline, sha256 checked, strictly.
`fer-zoo predict` uses `{default}` by default: of these weights it reads real faces best. `incres3d_tiny_lstm_lm_in` is
the paper's kind of network, with the fusion that did best in the [ablation](reports/rendered.md). With your own
classes, `create_model(NAME, pretrained=True, labels=[...])` loads them and gives the network a new classifier: see
[Concepts](concepts.md).

All were trained on **synthetic faces**; the metrics are of held-out synthetic subjects and are not comparable with
published figures on CK+, MMI, FERA or DISFA. WAR is accuracy, UAR the mean recall of the classes. They were
measured on the faces as rendered at the commit that a card names; later changes are in the [lab log](lab-log.md).

Three kinds of landmarks give three figures. *Test* has the exact landmarks of the renderer. *Points as inexact as a
detector's* are these with random errors of a detector's size, as in training. Landmarks that a detector really found
cost more: with [`fz68`](landmarkers.md#fz68) `incres3d_tiny_lstm_lm_in.synth7` had 88.8 % (`synthmh`) and 92.9 %
(`synthict`) of 98 clips each of other held-out subjects, and 96.9 % of both with exact ones ([lab
log](lab-log.md#first-weights-trained-on-natural-expressions-not-shipped)). A detector's errors depend on the
expression; random ones do not. `synth8` was trained and tested with the landmarks that `fz68` finds, and
half of its clips show natural expressions from a quarter of full strength, so its figures are not comparable with the
others.
"""

COMPARED = """
## Effect of each part

Networks that differ in one part, trained in the same way and tested across two synthetic datasets:
[Ablations on rendered faces](reports/rendered.md).
"""


def percent(value: float) -> str:
    """Return a fraction as a percentage with one decimal."""
    return f"{100 * value:.1f}"


def weights_section(name: str, card: WeightsCard) -> str:
    """Return metrics and confusion matrix of one set of weights."""
    rows = "\n".join(
        f"| {part} | {m.subjects} | {m.clips} | {percent(m.war)} | {percent(m.uar)} |"
        for part, m in card.metrics.items()
    )
    table = "\n".join(confusion_table(card.metrics["test"], card.labels))
    model, _, tag = name.partition(".")
    recipe = f"release/{model}"
    return f"""
### {name}

| part | subjects | clips | WAR % | UAR % |
|---|---|---|---|---|
{rows}

Made by `fer-zoo train {recipe} --tag {tag}` with the settings of `recipe.yaml` in its folder, at commit
`{short_commit(card.commit)}` in {card.hours:.1f} hours on {card.hardware} (rendering the clips not counted). Protocol:
{card.protocol}. Terms: {card.terms}

Confusion on the test subjects (rows: true label, columns: predicted):

{table}
"""


def real_section(text: str) -> str:
    """Return the section of the default weights in the page of the check on real faces."""
    found = re.search(rf"^## `({re.escape(DEFAULT_MODEL)}\.\w+)`\n\n(.*?)^(?=## )", text, re.M | re.S)
    assert found, f"{REAL.name} has no table of {DEFAULT_MODEL}: add the output of tools/real_check.py"
    return ON_REAL_FACES.format(name=found[1], results=found[2].strip())


def published_section(table: Mapping[str, Published]) -> str:
    """Return the section of weights on the Hub; empty if there are none."""
    if not table:
        return ""
    rows = "\n".join(
        f"| `{name}` | [{one.repo}](https://huggingface.co/{one.repo}/tree/{one.commit}) "
        f"| `{short_commit(one.commit)}` | `{one.sha256[:12]}` |"
        for name, one in sorted(table.items())
    )
    return f"""
## Published weights

On the Hugging Face Hub, pinned to a commit. `create_model(NAME, pretrained=True)` downloads weights that are not in the
package and checks their sha256. Their cards, with metrics and terms, are on the Hub.

| weights | repository | commit | sha256 |
|---|---|---|---|
{rows}
"""


def page() -> str:
    """Return the page."""
    sections = [weights_section(name, weights.read_folder(path).card) for name, path in weights.bundled().items()]
    sections.append(published_section(published()))
    start = HEAD + real_section(REAL.read_text()) + parts_section()
    return start + WEIGHTS.format(default=DEFAULT_MODEL) + "".join(sections) + COMPARED


def main() -> None:
    """Update the pages."""
    PAGE.write_text(page())
    rewrite(DOCS)


if __name__ == "__main__":
    main()
