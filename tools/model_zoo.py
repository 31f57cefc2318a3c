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
from fer_zoo.info import model_info
from fer_zoo.specs import WeightsCard
from fer_zoo.weights_table import Published, published

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "model-zoo.md"

HEAD = """\
# Model zoo

<!-- Written by `python tools/model_zoo.py` from the registry and the weights' cards; do not edit. -->
"""

# What cards written before December 2026 call noisy landmarks.
EARLIER, NOISY = "points as inexact as a detector's", "noisy landmarks"
# Mean recall of seven labels on real pictures (docs/real-faces.md).
REAL_UAR = {
    "incres2d_tiny_mean_lm_in.synth10": "61.2 %",
    "incres3d_tiny_lstm_lm_in.synth7": "52.1 %",
}

TRAINED = """
## Trained weights

| weights | input | parameters | GMAC | file | UAR on 598 real pictures |
|---|---|---|---|---|---|
{rows}

These weights come with the package. UAR is the mean recall of the seven expressions, on still pictures: which network
is better on videos is not known ([Accuracy on real faces](real-faces.md)). No weights were trained on real expressions.
GMAC: 10^9 multiply-accumulates per input.
"""

WEIGHTS = """
## Accuracy on rendered faces

`create_model(NAME, pretrained=True)` loads weights of the package offline; every tensor must match.
`incres3d_tiny_lstm_lm_in` is the paper's kind of network, with the fusion that had the highest UAR in the
[ablation](reports/rendered.md) (the difference was not significant). With your own classes,
`create_model(NAME, pretrained=True, labels=[...])` loads them and gives the network a new classifier: see
[Concepts](concepts.md).

All were trained on **synthetic faces**; the metrics are of held-out synthetic subjects and are not comparable with
published figures on CK+, MMI, FERA or DISFA. WAR is the accuracy. `synthmh`, `synthict` and `synthphoto` are the
[kinds of rendered faces](synthetic-faces.md). The metrics were measured on the faces as rendered at the commit that
a card names; later changes are in the [lab log](lab-log.md).

*Test* uses the renderer's exact landmarks; *test, noisy landmarks* adds random errors as large as a
detector's. Landmarks of a real detector cost more: with [`fz68`](landmarkers.md#fz68),
`incres3d_tiny_lstm_lm_in.synth7` falls from 99.0 % to 91.8 % on 98 clips of `synthmh`. `synth10` was trained and
tested on landmarks of `fz68` and on fainter expressions, so its figures cannot be compared with the others.
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
        f"| {part.replace(EARLIER, NOISY)} | {m.subjects} | {m.clips} | {percent(m.war)} | {percent(m.uar)} |"
        for part, m in card.metrics.items()
    )
    table = "\n".join(confusion_table(card.metrics["test"], card.labels))
    model, _, tag = name.partition(".")
    recipe = f"release/{model}"
    terms = ", ".join(f"[`{each}`](terms.md)" for each in re.findall(r"\[(\w+)\]", card.terms or ""))
    return f"""
### {name}

| set | subjects | clips | WAR % | UAR % |
|---|---|---|---|---|
{rows}

Made by `fer-zoo train {recipe} --tag {tag}` with the settings of `recipe.yaml` in its folder, at commit
`{short_commit(card.commit)}` in {card.hours:.1f} hours on {card.hardware} (rendering the clips not counted). Protocol:
{card.protocol}. Terms of its data: {terms}.

Confusion on the test subjects (rows: true label, columns: predicted):

{table}
"""


def trained_section() -> str:
    """Return the table of the weights in the package, the default first."""
    rows = []
    for name, path in sorted(weights.bundled().items(), key=lambda item: not item[0].startswith(f"{DEFAULT_MODEL}.")):
        info = model_info(name)
        default = " (default)" if name.startswith(f"{DEFAULT_MODEL}.") else ""
        reads = "single frames" if info.input.frames == 1 else f"{info.input.frames} frames"
        size = (path / "model.safetensors").stat().st_size / 1e6
        rows.append(
            f"| `{name}`{default} | {reads}, {info.input.size} px | {info.parameters / 1e6:.2f} M | {info.gmac:.2f} "
            f"| {size:.1f} MB | {REAL_UAR.get(name, 'not measured')} |"
        )
    return TRAINED.format(rows="\n".join(rows))


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
    start = HEAD + trained_section() + parts_section()
    return start + WEIGHTS + "".join(sections) + COMPARED


def main() -> None:
    """Update the pages."""
    PAGE.write_text(page())
    rewrite(DOCS)


if __name__ == "__main__":
    main()
