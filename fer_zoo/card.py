"""The README.md of a weights folder: front matter for programs, text for readers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fer_zoo.documents import dump_yaml
from fer_zoo.specs import Metrics, ModelSpec, WeightsCard

# Control characters, and those that hide or reorder what stands around them.
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
# The repository is known only when the weights are published.
PLACEHOLDER = "OWNER/NAME"
# The licences that the Hub knows by a word.
HUB_LICENCES = frozenset(
    {
        "afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bsd", "bsd-2-clause", "bsd-3-clause",
        "bsd-3-clause-clear", "bsl-1.0", "c-uda", "cc", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0",
        "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0",
        "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0", "ecl-2.0", "epl-1.0", "epl-2.0",
        "etalab-2.0", "eupl-1.1", "eupl-1.2", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "isc", "lgpl", "lgpl-2.1",
        "lgpl-3.0", "lppl-1.3c", "mit", "mpl-2.0", "ms-pl", "ncsa", "odbl", "odc-by", "ofl-1.1", "osl-3.0",
        "pddl", "postgresql", "unknown", "unlicense", "wtfpl", "zlib",
    }
)  # fmt: skip


def card_text(card: WeightsCard, spec: ModelSpec, *, repo: str = PLACEHOLDER) -> str:
    """Return the card as Markdown with YAML front matter; the whole record is under the key `fer_zoo`.

    `repo` is the repository on the Hub that the usage example loads from.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    tags = ["facial-expression-recognition", "dynamic-facial-expression-recognition", "video"]
    front = {
        "library_name": "fer-zoo",
        "pipeline_tag": "video-classification",
        **_licence(card),
        "tags": [*tags, "synthetic-data"] if card.synthetic else tags,
        **({"base_model": card.started_from.repo} if card.started_from and card.started_from.repo else {}),
        **({"datasets": list(card.datasets)} if card.datasets else {}),
        "metrics": ["accuracy", "recall"],
        "model-index": [{"name": card.name, "results": [_result(card, part) for part in card.metrics]}],
        # Fields that came later are left out where they are empty, so that older versions can read the card.
        "fer_zoo": card.model_dump(mode="json", exclude_defaults=True),
    }
    # Innermost lists on one line each: a confusion matrix is then a line a row.
    matter = dump_yaml(front, allow_unicode=True, default_flow_style=None)
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters["inline"] = inline  # Markdown, which no autoescape knows
    commit = re.sub(r"[^\w .,;:+-]", "\ufffd", card.commit)
    body = pages.get_template("card.md.jinja").render(
        card=card, clip=spec.input, repo=PLACEHOLDER, commit=commit, confusion_table=confusion_table
    )
    return fill_card(f"---\n{matter}---\n\n{body}", repo)


def fill_card(text: str, repo: str) -> str:
    """Put the repository into a card in which `OWNER/NAME` stands for it; whatever else was written there stays."""
    return text.replace(PLACEHOLDER, repo)


def _licence(card: WeightsCard) -> dict[str, str]:
    word = re.sub(r"\s+", "-", card.licence.strip().lower())
    if word in HUB_LICENCES:
        return {"license": word}
    name = re.sub(r"[^a-z0-9.+]+", "-", word)[:60].strip("-") or "other"
    link = re.search(r"https?://[^\s)>\]]+", f"{card.terms_source} {card.terms}")
    where = link.group().rstrip(".,;") if link else f"https://huggingface.co/{PLACEHOLDER}#terms"
    return {"license": "other", "license_name": name, "license_link": where}


def _result(card: WeightsCard, part: str) -> dict[str, Any]:
    metrics = card.metrics[part]
    names = card.tested_on if part.startswith("test") else card.datasets
    data = " + ".join(names) or "unknown"
    return {
        "task": {"type": "video-classification", "name": "Facial expression recognition in video"},
        "dataset": {
            "name": f"{data}, {part} ({card.protocol})",
            "type": re.sub(r"[^a-z0-9_.-]+", "-", data.lower()),
            "split": part,
            "args": {"protocol": card.protocol, "clips": metrics.clips, "subjects": metrics.subjects},
        },
        "metrics": [
            {"type": "war", "name": "WAR (accuracy)", "value": metrics.war},
            {"type": "uar", "name": "UAR (mean recall of the classes)", "value": metrics.uar},
        ],
    }


def inline(text: str) -> str:
    """Text of a user or a stranger as Markdown that shows it as it is: in a line, at its beginning or in a table."""
    text = _UNSEEN.sub("\ufffd", re.sub(r"[\n\r\t\x0b\x0c\x85\u2028\u2029]+", " ", text))
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;")
    text = re.sub(r"\\(?=[!-/:-@\[-`{-~])|[`*|$]|~(?=~)|(?<![^\W_])_|_(?![^\W_])|(?<=\])[(\[]", r"\\\g<0>", text)
    # A heading, list, quotation, rule or definition of a link.
    return re.sub(r"^(\s*)([-+#=>]|\[(?=[^]]*\]:))", r"\1\\\2", re.sub(r"^(\s*\d+)([.)])(?=\s|$)", r"\1\\\2", text))


def confusion_table(metrics: Metrics, labels: tuple[str, ...]) -> list[str]:
    """Confusion matrix as lines of a Markdown table; rows are true labels, columns predicted ones."""
    labels = tuple(map(inline, labels))
    head = [f"| | {' | '.join(labels)} |", "|---" * (len(labels) + 1) + "|"]
    rows = [f"| {label} | {' | '.join(map(str, row))} |" for label, row in zip(labels, metrics.confusion, strict=True)]
    return [*head, *rows]
