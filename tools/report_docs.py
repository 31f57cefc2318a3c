"""Put reports into the docs: docs/reports/NAME.md is made from docs/reports/NAME.json; no number is typed by hand.

python tools/report_docs.py                       # all pages again, from their JSON
python tools/report_docs.py NAME FOLDER           # first copy the report that `fer-zoo report` wrote to FOLDER

A new page also needs a line in the `nav` of mkdocs.yml.
"""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

from fer_zoo.errors import OptionError
from fer_zoo.evaluation.report import JSON, PICTURES, read_report
from fer_zoo.evaluation.report.format import as_markdown

FOLDER = Path(__file__).parent.parent / "docs" / "reports"

HEAD = """\
<!-- Written by `python tools/report_docs.py` from {name}.json, which `fer-zoo report` wrote; do not edit. -->

"""


def written(source: Path) -> str:
    """The page of a report.json; its pictures are in the folder of its name."""
    return HEAD.format(name=source.stem) + as_markdown(read_report(source), f"{source.stem}/")


def take(name: str, report: Path, folder: Path) -> Path:
    """Copy a report's numbers and pictures to the docs; returns the new report.json.

    Raises:
        OptionError: it shows real faces.
    """
    found = read_report(report / JSON)
    if any(setting.faces and not setting.synthetic for setting in found.settings):
        raise OptionError(
            f"The report {report} shows faces of people.",
            "reports whose pictures may be published",
            "leave out --faces",
        )
    source = folder / f"{name}.json"
    shutil.rmtree(folder / name, ignore_errors=True)
    (folder / name).mkdir(parents=True)
    for file in re.findall(r"\]\(pictures/([a-z]+-\d+\.\w+)\)", as_markdown(found, "pictures/")):
        shutil.copyfile(report / PICTURES / file, folder / name / file)
    shutil.copyfile(report / JSON, source)
    return source


def main() -> None:
    """Write the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", metavar="NAME")
    parser.add_argument("report", nargs="?", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    if arguments.name and not arguments.report:
        parser.error("NAME needs the FOLDER of its report")
    if arguments.name:
        take(arguments.name, arguments.report, FOLDER)
    for source in sorted(FOLDER.glob("*.json")):
        source.with_suffix(".md").write_text(written(source), encoding="utf-8")


if __name__ == "__main__":
    main()
