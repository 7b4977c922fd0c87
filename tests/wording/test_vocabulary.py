"""Every identifier that the commands print has its words."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, get_args

from agent.domain.labels import CANDIDATE_KINDS
from agent.domain.picture import PictureFault
from agent.domain.scene import Withdrawal
from agent.evidence.pictures import Role
from agent.runtime.recovery import Cause
from provisioning.wording.vocabulary import (
    CANDIDATE_WORDS,
    CAUSES,
    PICTURE_FAULTS,
    ROLES,
    STAGES,
    WITHDRAWALS,
    column_in_words,
    measure_in_words,
)
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


def first_words(callee: str) -> Iterator[str]:
    """The first argument, where it is a literal, of every call of that name in the agent."""
    for path in (ROOT / "agent").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name(id=name) | ast.Attribute(attr=name),
                    args=[ast.Constant(value=str(word)), *_],
                ) if name == callee:
                    yield word


def test_every_picture_of_a_case_has_its_words_in_the_order_of_its_life() -> None:
    assert tuple(ROLES) == get_args(Role)


def test_every_measure_of_a_rule_has_its_words() -> None:
    named = set(first_words("Measure"))
    assert named
    assert not [each for each in named if measure_in_words(each) == each]
    assert not [
        each for each in named - {"confidence", "score"} if column_in_words(each) == each
    ], "two are called in a column as they are on the wire"


def test_every_stage_of_a_frame_has_its_words() -> None:
    assert set(first_words("timed")) == set(STAGES)


def test_every_cause_of_a_start_has_its_words() -> None:
    assert set(CAUSES) == set(get_args(Cause))


def test_every_reason_of_a_withdrawal_has_its_words() -> None:
    assert set(WITHDRAWALS) == set(get_args(Withdrawal))


def test_every_fault_of_a_picture_has_its_words() -> None:
    assert set(PICTURE_FAULTS) == set(get_args(PictureFault))


def test_every_kind_of_candidate_has_its_words() -> None:
    assert tuple(CANDIDATE_WORDS) == CANDIDATE_KINDS
