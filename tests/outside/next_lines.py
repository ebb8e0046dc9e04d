"""Asks build/<variant>/tests/next_lines many questions in one process."""
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD_DIR", "build/release")
PROGRAM = BUILD / "tests" / "next_lines"


def ask(questions, directory=None):
    """Each question is a tuple of words; returns the answers, one text for each."""
    lines = "".join("\t".join(str(word) for word in question) + "\n" for question in questions)
    command = [str(PROGRAM)] + ([directory] if directory else [])
    result = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=120, check=True)
    answers = result.stdout.split("\n")[:-1]
    assert len(answers) == len(questions), result.stderr
    return answers
