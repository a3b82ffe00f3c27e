"""The command line: picks the verb and turns errors into sentences and exit codes.

Imports nothing heavy: `sft --help` and a config error have to be instant, so every verb lives
in a module of its own under `runner.verbs`, imported when it is called.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

EXIT_CODES = """exit codes: 0 done; 1 at least one arm failed; 2 config, data or usage;
3 incomplete, run again to resume; 4 a gate refused (budget, quality, leakage)"""

VERBS = {
    "init": "write a commented, runnable experiment for your own data file",
    "check": "config, data, limits and leakage; nothing is tuned",
    "plan": "every arm: what is done, what is reused, tokens, price, time",
    "run": "do it; the same command again resumes",
    "cancel": "stop an experiment's tuning jobs on a service",
    "status": "arms and tuning jobs of this folder",
    "compare": "the answer: arms, intervals, paired tests, winner",
    "diagnose": "what curves, scores and answers say is wrong, and what to do next",
    "advise": "write the next experiment from what the last one showed",
    "ship": "make the winning checkpoint the default, and write a client that asks it",
    "clean": "delete what an experiment left on a service, after listing it",
    "export": "the arms' curves as TensorBoard event files",
    "ui": "MLflow on this folder's runs",
    "emulate": "Vertex AI's tuning API on this machine, to rehearse on",
    "schema": "the JSON schema of an experiment YAML",
}

INCOMPLETE = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run one `sft` command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in ("-sc", "--shell-completion"):
        return _complete(words)
    if words and words[0] == "--version":
        import runner

        print(runner.__version__)
        return 0
    verb = words[0] if words else ""
    if verb in ("", "-h", "--help", "help"):
        print(_help())
        return 0 if verb else 2
    if verb not in VERBS:
        return _unknown(verb)
    return _call(verb, words[1:])


def _call(verb: str, words: Sequence[str]) -> int:
    module = import_module(f"runner.verbs.{verb}")
    parser = argparse.ArgumentParser(prog=f"sft {verb}", description=VERBS[verb])
    module.arguments(parser)
    # Hydra overrides may stand anywhere between the options, and some begin with ~ or +.
    arguments = parser.parse_intermixed_args(words)
    from runner.base.errors import SftError

    try:
        return int(module.main(arguments))
    except SftError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nstopped; the same command again goes on from here", file=sys.stderr)
        return INCOMPLETE
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"error: {_system(error)}", file=sys.stderr)
        return 1


def _system(error: OSError) -> str:
    """The operating system's refusal with the file it is about."""
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}; fix this and give the same command again to resume"


def _help() -> str:
    lines = ["usage: sft VERB ...", "", "Declarative experiments for supervised fine-tuning.", ""]
    lines += [f"  {verb:<9} {says}" for verb, says in VERBS.items()]
    lines += ["", "'sft VERB --help' tells more.", EXIT_CODES]
    return "\n".join(lines)


def _unknown(verb: str) -> int:
    from difflib import get_close_matches

    near = get_close_matches(verb, VERBS, 1)
    hint = f"; did you mean 'sft {near[0]}'?" if near else ""
    print(f"error: unknown verb {verb!r}{hint}\n\n{_help()}", file=sys.stderr)
    return 2


def _complete(words: Sequence[str]) -> int:
    from runner.compose import complete

    return complete(words)
