"""Units of everyday life in one scale each, and the words for numbers in English."""

from __future__ import annotations

import re

_UNITS: dict[str, tuple[str, float]] = {
    word: (kind, float(factor))
    for kind, scales in {
        "m": "mm:1e-3 millimetre:1e-3 cm:.01 centimetre:.01 dm:.1 m:1 metre:1 km:1e3 kms:1e3 "
        "kilometre:1e3 mile:1609.344 ft:.3048 foot:.3048 feet:.3048 inch:.0254 inches:.0254 "
        "yard:.9144 yd:.9144",
        "g": "mg:1e-3 milligram:1e-3 g:1 gram:1 gramme:1 kg:1e3 kgs:1e3 kilo:1e3 kilogram:1e3 "
        "tonne:1e6 ton:1e6 lb:453.592 lbs:453.592 ounce:28.3495 oz:28.3495",
        "l": "ml:1e-3 millilitre:1e-3 cl:.01 dl:.1 l:1 litre:1 hl:100 "
        "gallon:3.78541 gal:3.78541 pint:.473176",
        "m²": "m²:1 sqm:1 km²:1e6 hectare:1e4 ha:1e4 acre:4046.86 cm²:1e-4",
        "m³": "m³:1 cm³:1e-6",
        "s": "ms:1e-3 sec:1 second:1 min:60 mins:60 minute:60 h:3600 hr:3600 hrs:3600 hour:3600 "
        "day:86400 week:604800 fortnight:1209600",
        "month": "month:1 year:12 yr:12 yrs:12 decade:120 century:1200 centuries:1200",
        "%": "%:1 percent:1 pct:1 percentage:1",
        "EUR": "€:1 eur:1 euro:1",
        "USD": "$:1 usd:1 dollar:1",
        "GBP": "£:1 gbp:1 pound:1",
        "JPY": "¥:1 yen:1",
        "W": "w:1 watt:1 kw:1e3 kilowatt:1e3 mw:1e6 megawatt:1e6 gw:1e9 gigawatt:1e9",
        "Wh": "wh:1 kwh:1e3 mwh:1e6 gwh:1e9",
        "Ah": "mah:1e-3",
        "bit/s": "kbit:1e3 kbps:1e3 mbit:1e6 mbps:1e6 gbit:1e9 gbps:1e9",
        "Pa": "hpa:100 kpa:1e3 bar:1e5 mbar:100 millibar:100",
        "J": "joule:1 kj:1e3 kilojoule:1e3 calorie:4184 kcal:4184 kilocalorie:4184",
        "A": "ampere:1 amp:1 milliampere:1e-3",
        "V": "v:1 volt:1 kv:1e3",
        "Hz": "hz:1 khz:1e3 mhz:1e6 ghz:1e9",
        "B": "kb:1e3 kilobyte:1e3 mb:1e6 megabyte:1e6 gb:1e9 gigabyte:1e9 tb:1e12 terabyte:1e12",
        "°": "°:1 °c:1 ℃:1 degree:1 celsius:1",
        "°F": "°f:1 fahrenheit:1",
    }.items()
    for word, _, factor in (item.partition(":") for item in scales.split())
}
CURRENCIES = ("EUR", "USD", "GBP", "JPY")
SMALL = {
    word: float(value)
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen".split()
    )
} | {
    word: 10.0 * value
    for value, word in enumerate(
        "twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2
    )
}
ORDINALS = {
    word: float(value)
    for value, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
        "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth "
        "twentieth".split(),
        start=1,
    )
} | {"thirtieth": 30.0, "fortieth": 40.0, "fiftieth": 50.0, "hundredth": 100.0}
SCALES = {"hundred": 1e2, "thousand": 1e3, "k": 1e3, "million": 1e6, "mn": 1e6, "mio": 1e6,
           "billion": 1e9, "bn": 1e9, "trillion": 1e12, "dozen": 12.0}  # fmt: skip
FRACTIONS = {
    word + plural: 1.0 / parts
    for parts, word in ((3, "third"), (4, "quarter"), (5, "fifth"), (6, "sixth"), (7, "seventh"),
                        (8, "eighth"), (9, "ninth"), (10, "tenth"), (100, "hundredth"))
    for plural in ("", "s")
} | {"half": 0.5, "halves": 0.5}  # fmt: skip
IMPERIAL = frozenset(
    "mile ft foot feet inch inches yard yd lb lbs ounce oz gallon gal pint acre".split()
)
"""Units that are converted to metric ones in round figures only."""


def unit_of(word: str) -> tuple[str, float] | None:
    """Return base unit and factor of a unit's name, in either spelling and number."""
    if word in _UNITS:
        return _UNITS[word]
    word = re.sub(r"(met|lit)er(s?)$", r"\1re\2", word)
    return _UNITS.get(word) or (
        _UNITS.get(word[:-1]) if len(word) > 3 and word[-1] == "s" else None
    )
