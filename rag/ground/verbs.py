"""Common English verbs: enough to tell the verb of a clause from a plural noun."""

from __future__ import annotations

from functools import cache, lru_cache

from rag.text.terms import stems

MODAL = frozenset("can could may might must shall should will would cannot".split())
AUXILIARY = frozenset(
    "is are was were be been being am has have had do does did can could may might must shall "
    "should "
    "will would cannot isn't aren't wasn't weren't hasn't haven't hadn't don't doesn't didn't "
    "can't "
    "couldn't won't wouldn't mustn't shouldn't needn't".split()
)
PAST = frozenset(
    "became began bought brought built came caught chose cost cut drew drove fell felt fought "
    "found "
    "gave got grew held hit kept knew laid led left lent lost made meant met paid put ran read "
    "rose "
    "said sang sank sat saw sent set shot shut sold spent spoke stood stole struck swam taught "
    "took "
    "told thought understood went won wore wrote beat bore broke flew forgot froze hid rang shook "
    "threw woke withdrew overtook".split()
)
_BASE = frozenset(
    "accept achieve act add adjust admit affect agree aim allow announce answer appear apply "
    "appoint "
    "approve argue arrive ask assess assist attend avoid award bear become begin believe belong "
    "block borrow break bring build buy calculate call carry cause celebrate change charge check "
    "choose claim clean close collect combine come compete complete confirm connect consist "
    "contain "
    "continue contribute control convert cost cover create cross cut decide declare decline "
    "decrease deliver demand depart depend describe deserve design destroy detect determine "
    "develop "
    "differ direct discover discuss display divide draw drink drive drop earn eat edit employ "
    "enable "
    "end enjoy ensure enter establish examine exceed exclude exist expect expire explain export "
    "express extend face fail fall feed feel fill finance find finish fit fix flow fly follow "
    "forbid "
    "form found fund gain get give go govern grow guarantee guide handle happen head hear help "
    "hide "
    "hire hold host house hunt identify import improve include increase indicate inform inherit "
    "inhibit injure insist inspect install intend introduce invent invest investigate invite "
    "involve "
    "issue join keep kill know lack last launch lay lead learn leave lend let lie lift limit link "
    "list live load lose love lower maintain make manage manufacture mark marry matter mean "
    "measure "
    "meet mention merge monitor move need obtain occupy occur offer open operate oppose order "
    "organise organize oversee own pass pay perform permit place plan play point prefer prepare "
    "present prevent print produce prohibit promise promote protect prove provide publish purchase "
    "push qualify raise reach react read receive recommend record recover reduce refer reflect "
    "refuse "
    "regulate reject release rely remain remember remove rent repair repeat replace reply report "
    "represent require rescue reserve resign respond rest restrict result retain retire return "
    "reveal rise rule run save say score see seek seem sell send serve set share show shrink sign "
    "sing sit solve speak spend split sponsor stand start state stay steal stop store strengthen "
    "study succeed suffer suggest supervise supply support suspend take teach tell test think "
    "train "
    "transfer translate travel treat turn undergo understand use vary visit vote wait walk want "
    "warn "
    "wash waste wear weigh win withdraw work worsen write".split()
)

# "Found" and "left" are more often other words.
_IRREGULAR = """
    beat/beaten become/became begin/began/begun bind/bound bite/bit/bitten blow/blew/blown
    break/broke/broken bring/brought build/built buy/bought catch/caught choose/chose/chosen
    come/came deal/dealt draw/drew/drawn drink/drank/drunk drive/drove/driven eat/ate/eaten
    fall/fell/fallen feed/fed feel/felt fight/fought fly/flew/flown forbid/forbad/forbidden
    forget/forgot/forgotten freeze/froze/frozen get/got/gotten give/gave/given go/went/gone
    grow/grew/grown hang/hung hear/heard hide/hid/hidden hold/held keep/kept know/knew/known
    lead/led lend/lent lose/lost make/made mean/meant meet/met pay/paid prove/proven
    ride/rode/ridden rise/rose/risen run/ran say/said see/seen seek/sought sell/sold send/sent
    shake/shook/shaken show/shown shrink/shrank/shrunk sing/sang/sung sink/sank/sunk sit/sat
    sleep/slept speak/spoke/spoken spend/spent stand/stood steal/stole/stolen strike/struck
    swear/swore/sworn sweep/swept swim/swam/swum take/took/taken teach/taught tear/torn
    tell/told think/thought throw/threw/thrown undergo/underwent/undergone
    understand/understood wake/woke/woken wear/wore/worn win/won withdraw/withdrew/withdrawn
    write/wrote/written
"""


@cache
def _forms() -> dict[str, frozenset[str]]:
    """Map the stem of each irregular form to the stems of all of its verb."""
    groups = [
        frozenset(stem for word in group.split("/") for stem in stems(word))
        for group in _IRREGULAR.split()
    ]
    return {stem: group for group in groups for stem in group}


@cache
def _pasts() -> frozenset[str]:
    return frozenset(word for group in _IRREGULAR.split() for word in group.split("/")[1:])


def is_past(word: str) -> bool:
    """Tell whether a word in lower case is the past form or the participle of a verb."""
    return word in PAST or word in _pasts() or (word.endswith("ed") and len(word) > 3)


def with_forms(found: frozenset[str]) -> frozenset[str]:
    """Add the stems of the other forms of irregular verbs: wrote, written."""
    table = _forms()
    more = [table[stem] for stem in found if stem in table]
    return found.union(*more) if more else found


@lru_cache(maxsize=4096)
def is_base(word: str) -> bool:
    """Tell whether a word is the plain form of a verb: "they cover"."""
    return word in _BASE


@lru_cache(maxsize=4096)
def is_third(word: str) -> bool:
    """Tell whether a word may be a verb in -s: "it covers", "it relies"."""
    if not word.endswith("s") or word.endswith("ss"):
        return False
    return word[:-1] in _BASE or word[:-2] in _BASE or f"{word[:-3]}y" in _BASE
