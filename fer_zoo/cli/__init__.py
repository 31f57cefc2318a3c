"""`fer-zoo`: thin verbs over the library. Errors are text on stderr and an exit code, never a traceback."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from fer_zoo.cli import arguments, corpora, evaluation, hub, predict, prepare, recipes, report, train, zoo
from fer_zoo.cli.text import error_text
from fer_zoo.cli.usage import Parser
from fer_zoo.errors import FerZooError, NoFaceError, VideoError

# Also in docs/predict.md; 2 is what command lines commonly use for wrong arguments.
EXIT_OK, EXIT_BUG, EXIT_ERROR, EXIT_NO_FACE, EXIT_VIDEO, EXIT_INTERRUPTED = 0, 1, 2, 3, 4, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (see docs/predict.md)."""
    options = argparse.Namespace()
    try:
        options = parser().parse_args(argv)
        options.verb(options)
        sys.stdout.flush()
        return EXIT_OK
    except SystemExit as leaving:  # --help, --version
        return int(leaving.code or 0)
    except BrokenPipeError:
        # The reader (`| head`) has had enough; Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except KeyboardInterrupt:
        _complain(options, "Interrupted.")
        return EXIT_INTERRUPTED
    except FerZooError as error:
        _complain(options, f"fer-zoo: {error_text(error)}")
        return _exit_code(error)
    except Exception as error:
        _complain(
            options, f"fer-zoo: unexpected {type(error).__name__}: {error}\n  This is a bug; --debug shows where."
        )
        return EXIT_BUG


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; the namespace it gives has the function of its verb."""
    common = arguments.common()
    about = "Facial expression recognition in video."
    top = Parser(prog="fer-zoo", description=about, parents=[common])
    top.add_argument("--version", action=arguments.Version)
    verbs = top.add_subparsers(title="verbs", required=True, metavar="VERB")
    for group in (predict, zoo, recipes, prepare, corpora, train, evaluation, report, hub):
        group.add(verbs, common)
    return top


def _complain(options: argparse.Namespace, text: str) -> None:
    if getattr(options, "debug", False):
        traceback.print_exc()
    print(text, file=sys.stderr)


def _exit_code(error: FerZooError) -> int:
    if isinstance(error, NoFaceError):
        return EXIT_NO_FACE
    return EXIT_VIDEO if isinstance(error, VideoError) else EXIT_ERROR
