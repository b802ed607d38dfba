"""Words of numbers, months and days, each in one place: readers and rules build on these."""

from __future__ import annotations

SMALL = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen".split()
    )
}
SMALL |= {
    word: 10 * value
    for value, word in enumerate(
        "twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2
    )
}
ORDINALS = {
    word: value
    for value, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
        "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth "
        "twentieth".split(),
        start=1,
    )
} | {"thirtieth": 30, "fortieth": 40, "fiftieth": 50, "hundredth": 100}
SCALES = {"hundred": 1e2, "thousand": 1e3, "k": 1e3, "million": 1e6, "mn": 1e6, "mio": 1e6,
          "billion": 1e9, "bn": 1e9, "trillion": 1e12, "dozen": 12.0}  # fmt: skip
FRACTIONS = {
    word + plural: 1.0 / parts
    for word, parts in {"quarter": 4, **{w: n for w, n in ORDINALS.items() if 3 <= n <= 10},
                        "hundredth": 100}.items()
    for plural in ("", "s")
} | {"half": 0.5, "halves": 0.5}  # fmt: skip
SIGNS = {"½": 0.5, "¼": 0.25, "¾": 0.75, "⅓": 1 / 3, "⅔": 2 / 3}

MONTH_NAMES = (
    "january jan januar janvier enero januari gennaio janeiro",
    "february feb februar février febrero februari febbraio fevereiro",
    "march mar märz mars marzo maart março",
    "april apr avril abril aprile",
    "may mai mayo mei maggio maio",
    "june jun juni juin junio giugno junho",
    "july jul juli juillet julio luglio julho",
    "august aug août agosto augustus",
    "september sep sept septembre septiembre settembre setembro",
    "october oct oktober octobre octubre ottobre outubro",
    "november nov novembre noviembre novembro",
    "december dec dezember décembre diciembre dicembre dezembro",
)
"""Names in lower case, English first, and usual abbreviations; of seven languages."""

MONTHS = {name: n for n, names in enumerate(MONTH_NAMES, start=1) for name in names.split()}
ENGLISH_MONTHS = [names.split()[0].title() for names in MONTH_NAMES]
DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
