"""`fer-zoo`: thin commands over the library. Errors are text on stderr and an exit code, never a traceback."""

from __future__ import annotations

import argparse
import errno
import traceback
from collections.abc import Iterator, Sequence

from fer_zoo._version import __version__
from fer_zoo.cli import (
    app,
    arguments,
    benchmark,
    corpora,
    evaluation,
    explain,
    export,
    features,
    finetune,
    hub,
    landmarks,
    live,
    predict,
    prepare,
    recipes,
    report,
    train,
    zoo,
)
from fer_zoo.cli.streams import SafeStream, safe_streams
from fer_zoo.cli.text import error_text
from fer_zoo.cli.usage import Parser
from fer_zoo.errors import FerZooError, NoFaceError, VideoError

# Documented in docs/predict.md; 2 is what command lines commonly use for wrong arguments.
EXIT_OK, EXIT_BUG, EXIT_ERROR, EXIT_NO_FACE, EXIT_VIDEO, EXIT_INTERRUPTED = 0, 1, 2, 3, 4, 130
# What a disk or system refuses whatever the arguments are.
_ENVIRONMENT = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO, errno.ENFILE, errno.EMFILE}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (see docs/predict.md)."""
    options = argparse.Namespace()
    with safe_streams() as (stdout, stderr):
        code = _run(argv, options, stderr)
        stdout.flush()
        if stdout.error is not None and not isinstance(stdout.error, BrokenPipeError):
            code = _unprinted(code, stdout.error, getattr(options, "writes_files", False), stderr)
        return code


def _run(argv: Sequence[str] | None, options: argparse.Namespace, stderr: SafeStream) -> int:
    try:
        parser().parse_args(argv, options)
        options.verb(options)
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
        if refused := _refused(error):
            _complain(options, f"fer-zoo: {error_text(_environment(refused))}", stderr)
            return EXIT_VIDEO
        text = f"fer-zoo: unexpected {type(error).__name__}: {error}\n  This is a bug; --debug shows where."
        _complain(options, text, stderr)
        return EXIT_BUG


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; `verb` of its namespace is the function of the command."""
    common = arguments.common()
    about = "Facial expression recognition in video."
    top = Parser(prog="fer-zoo", description=about, parents=[common])
    top.add_argument("--version", action="version", version=f"fer-zoo {__version__}", help="print the version and exit")
    verbs = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    groups = (
        predict, live, app, features, explain, export, benchmark, zoo, recipes, prepare, corpora, train, finetune,
        landmarks, evaluation, report, hub,
    )  # fmt: skip
    for group in groups:
        group.add(verbs, common)
    return top


def _complain(options: argparse.Namespace, text: str, stderr: SafeStream) -> None:
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
    return EXIT_VIDEO if isinstance(error, VideoError) or _refused(error) else EXIT_ERROR


def _refused(error: BaseException) -> OSError | None:
    """Return what the disk or system refused, if that is the error or its cause."""
    return next((e for e in _chain(error) if isinstance(e, OSError) and e.errno in _ENVIRONMENT), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _environment(error: OSError) -> VideoError:
    place = f"{error.filename}: " if error.filename else ""
    return VideoError(
        f"{place}{error.strerror}.", "a writable disk with free space", "free some space or choose another folder"
    )
