"""Negation in one form: what says "not" in another word says it as "not", with what it denies.

"Optional" becomes "not {required}", "must" gets the word "required" beside it, and so on, so that
two texts can be compared by counting. Words in braces are denied with the whole clause, brackets
hold all that is denied. The lists are about ways to say no, not about any subject. English only.
"""

from __future__ import annotations

import re
from functools import lru_cache

_BE = r"(?:is|are|was|were|be|been|being)"
_RULES = (
    # What need not be.
    (r"optional|voluntary|unnecessary|needless|not (?:mandatory|compulsory|"
     r"obligatory|necessary)", "not {required needed}"),
    (r"no (?:need|obligation|duty|requirement)(?: for| to)?|need not|needn['’]t|"
     r"(?:do|does|did)(?: not|n['’]t) (?:need|have to)(?: to)?", "not required needed"),
    (r"mandatory|compulsory|obligatory|necessary|obliged|(?:must|has to|have to|had to|needs? to)"
     r"(?! not\b)", r"\g<0> required"),
    # What may not be.
    (r"must not|mustn['’]t|may not|not permitted|not to be", "not allowed"),
    (r"prohibit(?:s|ed)?|forb(?:id|ids|ade|idden)|bans?|banned|bars|barred|outlaw(?:s|ed)",
     r"\g<0> allowed permitted"),
    (r"permit(?:s|ted)?", "allowed"),
    # What is not so, in one word.
    (r"disabled|deactivated|(?:switched|turned|shut) off", "not {enabled on activated}"),
    (r"activated|(?:switched|turned) on", "enabled"),
    (r"unavailable|sold out|out of stock|fully booked|booked up|out of order|out of service|"
     r"out of use", "not {available booked bought work operation}"),
    (r"impossible", "not {possible can}"),
    (r"not (?:uncommon|infrequent|rare|unusual)", "often common"),
    (r"uncommon|infrequent|rare|unusual", "not [common frequent usual]"),
    (r"rarely|seldom|infrequently", "not [often usually always frequently]"),
    (r"absent from|missing from|(?<!\ba )(?<!\bthe )(?:missed|skipped)|stayed away from",
     "did not {attend play present reach take}"),
    (r"(?<!cannot )(?<!not )(?:rejects?|rejected|turned down|declin(?:es|ed)(?= (?:the|to|a|his|"
     r"her|"
     r"their|its)\b)|"
     r"dismiss(?:es|ed)(?= (?:\w+ ){0,3}(?:appeal|case|charge|claim|complaint|criticism|idea|"
     r"motion|petition|proposal|report|request|rumou?r|suggestion|suit|theory)s?\b)|"
     r"vetoed|voted against)",
     "did not {accept approve grant back support allow}"),
    (r"den(?:y|ies|ied)(?! (?:access|entry)\b)", "did not confirm"),
    (r"(?:has|have|had) (?:ended|ceased|stopped|expired)|came to an end|"
     rf"{_BE} (?:over|at an end)(?=[.;]|$)", "no longer"),
    (r"free of charge|for free|at no (?:extra |additional )?(?:cost|charge)|cost(?:s)? nothing|"
     r"(?:is|are|was|were) free(?! (?:of|from|to|until|at|again)\b)", "not [pay cost charge fee "
     r"charged]"),
    (r"exempt(?:ed)? from|excused from|spared", "not [pay required subject]"),
    (r"(?:null and )?void(?! of)|invalid", "not [valid]"),
    *(
        (rf"(?:non-?|un){able}", f"not [{able} {done}]")
        for able, done in (
            ("refundable", "refunded"), ("transferable", "transferred"),
            ("returnable", "returned"), ("exchangeable", "exchanged"), ("renewable", "renewed"),
            ("removable", "removed"), ("negotiable", "negotiated"),
        )
    ),
    (r"unsuitable|unfit|unsuited", "not [suitable fit suited use used]"),
    (r"ineligible", "not [eligible entitled qualify]"),
    (r"unaffected", "not [affected affect]"),
    (r"un(?:changed|altered)", "not [changed change altered]"),
    (r"un(?:damaged|harmed|hurt|injured)", "not [damaged harmed hurt injured]"),
    (r"incompatible", "not [compatible works work]"),
    (r"incomplete|unfinished", "not [complete completed finished]"),
    (r"cancel(?:l?ed)|called off", r"\g<0> not [take took place happen held]"),
    (r"devoid of|void of", "without"),
)  # fmt: skip
_ANY = re.compile(
    r"\b(?:" + "|".join(f"(?P<r{n}>{rule})" for n, (rule, _) in enumerate(_RULES)) + r")(?!\w)",
    re.IGNORECASE,
)
_NEITHER = re.compile(r"\bneither\b(?P<one>[^.;]{1,80}?)\bnor\b", re.IGNORECASE)
_COUNTED_OUT = re.compile(
    r"\b(?:not (?:all|every|each)\b|(?:hardly|scarcely|barely) any\b|"
    r"(?:all|every|everyone) (?:but|except(?: for)?) (?=(?:one|two|three|four|five|six|seven|"
    r"eight|nine|"
    r"ten|a few|a handful|\d+)\b))",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """Return the text with its words of negation in one form; quantifiers apart from "no" go."""
    text = _NEITHER.sub(r"not\g<one>&", text)  # "or" might begin another clause
    text = _COUNTED_OUT.sub(" ", text)
    return _ANY.sub(_rewritten, text)


def _rewritten(match: re.Match[str]) -> str:
    return _RULES[int((match.lastgroup or "r0")[1:])][1].replace(r"\g<0>", match[0])
