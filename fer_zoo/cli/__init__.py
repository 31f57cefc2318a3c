"""`fer-zoo`: thin commands over the library. Errors are text on stderr and an exit code, never a traceback."""

from __future__ import annotations

import errno
import traceback
from argparse import Namespace
from collections.abc import Sequence

from fer_zoo._version import __version__
from fer_zoo.cli import (
    app,
    corpora,
    evaluation,
    explain,
    export,
    features,
    hub,
    live,
    predict,
    prepare,
    recipes,
    train,
    zoo,
)
from fer_zoo.cli.streams import SafeStream, safe_streams
from fer_zoo.cli.text import disk_error, error_text
from fer_zoo.cli.usage import Parser
from fer_zoo.errors import FerZooError, NoFaceError, OptionError, VideoError
from fer_zoo.paths import shown

# Documented in docs/predict.md; 2 is what command lines commonly use for wrong arguments.
EXIT_OK, EXIT_BUG, EXIT_ERROR, EXIT_NO_FACE, EXIT_VIDEO, EXIT_INTERRUPTED = 0, 1, 2, 3, 4, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (see docs/predict.md)."""
    options = Namespace()
    with safe_streams() as (stdout, stderr):
        code = _run(argv, options, stderr)
        stdout.flush()
        if stdout.error is not None and not isinstance(stdout.error, BrokenPipeError):
            code = _unprinted(code, stdout.error, getattr(options, "writes_files", False), stderr)
        return code


def _run(argv: Sequence[str] | None, options: Namespace, stderr: SafeStream) -> int:
    try:
        parser().parse_args(argv, options)
        options.run(options)
        return EXIT_OK
    except SystemExit as leaving:  # --help, --version
        return int(leaving.code or 0)
    except KeyboardInterrupt:
        _complain(options, "Interrupted.", stderr)
        return EXIT_INTERRUPTED
    except FerZooError as error:
        _complain(options, f"fer-zoo: {error_text(error)}", stderr)
        return _exit_code(error)
    except Exception as error:
        if refused := disk_error(error):
            _complain(options, f"fer-zoo: {error_text(_environment(refused))}", stderr)
            return EXIT_VIDEO
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            given = f"A name is too long for a file: {shown(error.filename or '')[:200]}"
            _complain(options, f"fer-zoo: {OptionError(given, 'names of at most 255 bytes', 'correct it')}", stderr)
            return EXIT_ERROR
        text = f"fer-zoo: unexpected {type(error).__name__}: {error}\n  This is a bug; --debug shows where."
        _complain(options, text, stderr)
        return EXIT_BUG


def parser() -> Parser:
    """Return the parser of the whole command line; `run` of its namespace is the function of the command."""
    top = Parser(prog="fer-zoo", description="Facial expression recognition in video.")
    top.add_argument("--version", action="version", version=f"fer-zoo {__version__}", help="print the version and exit")
    groups = (predict, live, app, features, explain, export, zoo, recipes, prepare, corpora, train, evaluation, hub)
    for group in groups:
        group.add(top)
    return top


def _complain(options: Namespace, text: str, stderr: SafeStream) -> None:
    if getattr(options, "debug", False):
        traceback.print_exc(file=stderr)
    print(text, file=stderr)


def _unprinted(code: int, error: OSError, writes_files: bool, stderr: SafeStream) -> int:
    """Report an output that could not be printed; return the exit code, as files that were written are a success."""
    if code == EXIT_OK and writes_files:
        print(f"note: not everything could be printed ({error.strerror}); the files are complete.", file=stderr)
        return EXIT_OK
    print(
        f"fer-zoo: The output cannot be printed: {error.strerror}.\n  Accepted: a terminal, pipe or file that can be "
        "written to\n  What to do: free some space, or redirect the output elsewhere",
        file=stderr,
    )
    return code or EXIT_VIDEO


def _exit_code(error: FerZooError) -> int:
    if isinstance(error, NoFaceError):
        return EXIT_NO_FACE
    return EXIT_VIDEO if isinstance(error, VideoError) or disk_error(error) else EXIT_ERROR


def _environment(error: OSError) -> VideoError:
    place = f"{error.filename}: " if error.filename else ""
    return VideoError(
        f"{place}{error.strerror}.", "a writable disk with free space", "free some space or choose another folder"
    )
