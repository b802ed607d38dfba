"""The rules of a ``Checker``."""

from __future__ import annotations

from collections.abc import Sequence

from rag.protocols import Checker
from rag.testing.rules import Rules
from rag.testing.samples import sample_passages
from rag.types import Verdict

_REFUND = "Refunds take 14 days from the day we receive the parcel."
_PLAN = "The Pro plan costs 19 euros a month."
_CLOSE = 0.02
"""Least difference of support that counts: quantised models may differ a little by batch."""


def check_checker(checker: Checker) -> None:
    """Raise AssertionError unless the checker keeps the rules of its seam."""
    rules = Rules(checker, "check")
    texts = [passage.chunk.text for passage in sample_passages()]
    _well_formed(rules, checker, texts)
    _not_judged(rules, checker, texts)
    _union(rules, checker, texts)
    _stable(rules, checker, texts)


def _well_formed(rules: Rules, checker: Checker, texts: list[str]) -> None:
    rules.must(checker.check([], []) == [], "no claims must give no verdicts")
    claims = [_REFUND, "The office has a swimming pool on the roof.", _PLAN]
    verdicts = checker.check(claims, [texts] * 3)
    rules.must(len(verdicts) == 3, f"each claim must have a verdict: {len(verdicts)} for 3 claims")
    rules.must(
        [verdict.claim for verdict in verdicts] == claims,
        "verdicts must be in the order of the claims and repeat them",
    )
    for verdict in verdicts:
        _check_verdict(rules, verdict, texts)
    said, invented, also_said = verdicts
    for verdict in (said, also_said):
        rules.must(
            verdict.label == "supported",
            f"a claim that the evidence says word for word must be supported: {verdict.claim!r}",
        )
    rules.must(
        invented.label != "supported" and _support(invented) < _support(said),
        f"a claim about something else must not be supported: {invented.claim!r}",
    )


def _check_verdict(rules: Rules, verdict: Verdict, texts: Sequence[str]) -> None:
    rules.must(
        (verdict.label is None) == (verdict.support is None),
        "label and support must both be None, or neither",
    )
    if verdict.support is not None:
        rules.fraction(verdict.support, "support")
    for quote in verdict.evidence:
        rules.must(
            any(quote in text for text in texts),
            f"the evidence of a verdict must be verbatim from what was given: {quote!r}",
        )


def _not_judged(rules: Rules, checker: Checker, texts: list[str]) -> None:
    for empty in ("", "   "):
        verdict = checker.check([empty], [texts])[0]
        rules.must(
            verdict.label is None and verdict.support is None,
            "an empty claim must not be judged: label and support None, never 1.0",
        )
    for nothing in ([], [""], ["  ", ""]):
        verdict = checker.check([_REFUND], [nothing])[0]
        rules.must(
            verdict.label == "unsupported" and _support(verdict) <= _CLOSE,
            f"without evidence a claim must be unsupported with support 0, not {verdict.label}",
        )


def _union(rules: Rules, checker: Checker, texts: list[str]) -> None:
    """One passage's silence is no contradiction, and two may support a claim together."""
    alone = checker.check([_PLAN], [[_PLAN]])[0]
    among = checker.check([_PLAN], [[*texts, _PLAN]])[0]
    rules.must(
        among.label == alone.label and _support(among) >= _support(alone) - 0.1,
        "evidence is a union: passages that are silent must not take support away",
    )
    joined = f"{_REFUND} {_PLAN}"
    both, first, second = checker.check([joined] * 3, [[_REFUND, _PLAN], [_REFUND], [_PLAN]])
    rules.must(
        both.label == "supported" and _support(both) > max(_support(first), _support(second)),
        "evidence is a union: two passages must be able to support a claim together",
    )


def _stable(rules: Rules, checker: Checker, texts: list[str]) -> None:
    claims = [_REFUND, "Refunds take 45 days.", "Software may be sent back.", _PLAN]
    batch = checker.check(claims, [texts] * len(claims))
    rules.must(
        batch == checker.check(claims, [texts] * len(claims)),
        "the same claims must get the same verdicts again",
    )
    backwards = checker.check(claims, [texts[::-1]] * len(claims))
    singles = [checker.check([claim], [texts])[0] for claim in claims]
    for verdict, turned, single in zip(batch, backwards, singles, strict=True):
        rules.must(
            abs(_support(verdict) - _support(turned)) <= _CLOSE,
            f"the order of the evidence must not matter: {verdict.claim!r}",
        )
        rules.must(
            abs(_support(verdict) - _support(single)) <= _CLOSE,
            f"a claim must get the same verdict alone and in a batch: {verdict.claim!r}",
        )


def _support(verdict: Verdict) -> float:
    return -1.0 if verdict.support is None else verdict.support
