"""Options from the fields of a dataclass: names, kinds, limits, and what was given."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import pytest

from nbnet_lib.cli.options import add_options, given
from nbnet_lib.errors import NbnetError
from nbnet_lib.settings import TrainConfig, check_limits, option


@dataclass
class Settings:
    batch_size: int = option(4, "pairs", at_least=1, metavar="N")
    rate: float = option(0.5, "a rate", above=0)
    decay: float | None = option(None, "a decay", flag="ema", below=1, group="more")
    fast: bool = option(False, "faster")
    portraits: bool = option(True, "portraits", negatable=True)
    kind: str = option("a", "a or b", choices=("a", "b"))
    hidden: int = 3


def parse(*words, defaults=True):
    parser = argparse.ArgumentParser()
    add_options(parser, Settings, defaults=defaults)
    return given(parser.parse_args(words), Settings)


def test_each_field_with_a_help_text_is_an_option():
    words = ["--batch-size", "8", "--ema", "0.9", "--fast", "--no-portraits", "--kind", "b"]
    expected = {"batch_size": 8, "decay": 0.9, "fast": True, "portraits": False, "kind": "b"}
    assert parse(*words, defaults=False) == expected
    assert parse(*words) == expected | {"rate": 0.5}
    assert parse(defaults=False) == {}
    assert Settings(**parse()) == Settings()


@pytest.mark.parametrize("words", [["--batch-size", "0"], ["--rate", "0"], ["--hidden", "1"]])
def test_what_argparse_refuses(words, capsys):
    with pytest.raises(SystemExit):
        parse(*words)
    assert words[0] in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"decay": 1.0}, {"rate": float("nan")}])
def test_limits(wrong):
    check_limits(Settings())
    with pytest.raises(NbnetError, match=next(iter(wrong))):
        check_limits(Settings(**wrong))


def test_a_training_has_no_option_twice():
    parser = argparse.ArgumentParser()
    add_options(parser, TrainConfig, defaults=False)
    assert "--ema" in parser.format_help() and "--betas" not in parser.format_help()
