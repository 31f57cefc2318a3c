"""The README.md of a weights folder: front matter for programs, text for people."""

from __future__ import annotations

import re

import yaml

from fer_zoo.specs import Metrics, ModelSpec, WeightsCard


def card_text(card: WeightsCard, spec: ModelSpec) -> str:
    """Return the card as Markdown with YAML front matter; the whole record is under the key `fer_zoo`."""
    tags = ["facial-expression-recognition", "dynamic-facial-expression-recognition", "video"]
    front = {
        "library_name": "fer-zoo",
        "pipeline_tag": "video-classification",
        # Hubs take one word there: the name of a licence that they know.
        "license": card.licence.lower() if re.fullmatch(r"[\w.+-]+", card.licence) else "other",
        "tags": [*tags, "synthetic-data"] if card.synthetic else tags,
        "fer_zoo": card.model_dump(mode="json"),
    }
    matter = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{matter}---\n\n{_body(card, spec)}"


def _body(card: WeightsCard, spec: ModelSpec) -> str:
    clip = spec.input
    lines = [
        f"# {card.name}",
        "",
        f"Facial expression in video: {len(card.labels)} classes ({', '.join(card.labels)}).",
        f"A clip is {clip.frames} frames of {clip.size} x {clip.size} pixels at {clip.fps:g} frames a second.",
        "",
        "```python",
        "from fer_zoo.weights import load_weights",
        "",
        'model = load_weights("path/to/this/folder")',
        "```",
        "",
        "## Trained on",
        "",
        card.training_data,
        "",
    ]
    if card.synthetic:
        lines += [
            "**The faces of training, validation and test are synthetic.** The figures below say how well the network",
            "reads rendered expressions of identities it never saw. They are not comparable with published figures on",
            "CK+, MMI, FERA or DISFA, and say nothing about fairness between groups of people.",
            "",
        ]
    lines += ["## Terms", "", f"Licence: {card.licence}. {card.terms}", ""]
    lines += [f"- Who may use the data that these weights were trained on: {card.may_use}."]
    lines += [f"- May the weights be shared: {card.share_weights}.", f"- Source: {card.terms_source}.", ""]
    lines += ["An expression is not a feeling: do not judge people by these labels.", ""]
    lines += ["## Figures", "", f"Protocol: {card.protocol}. WAR is accuracy, UAR the mean recall of the classes.", ""]
    lines += ["| part | clips | subjects | WAR | UAR |", "|---|---|---|---|---|"]
    lines += [
        f"| {part} | {m.clips} | {m.subjects or 'unknown'} | {m.war:.1%} | {m.uar:.1%} |"
        for part, m in card.metrics.items()
    ]
    for part, metrics in card.metrics.items():
        lines += [
            "",
            f"Confusion on {part} (rows: true, columns: predicted):",
            "",
            *confusion_table(metrics, card.labels),
        ]
    lines += ["", "## Made by", "", f"Commit `{card.commit}`, {card.hours:.2f} hours on {card.hardware}; `recipe.yaml`"]
    lines += ["makes it again."]
    return "\n".join(lines) + "\n"


def confusion_table(metrics: Metrics, labels: tuple[str, ...]) -> list[str]:
    """Confusion matrix as lines of a Markdown table; rows are true labels, columns predicted ones."""
    head = [f"| | {' | '.join(labels)} |", "|---" * (len(labels) + 1) + "|"]
    rows = [f"| {label} | {' | '.join(map(str, row))} |" for label, row in zip(labels, metrics.confusion, strict=True)]
    return [*head, *rows]
