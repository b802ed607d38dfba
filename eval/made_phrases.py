"""Phrases of our own for ``made_talks.py``; names left out of questions; talks about an offer.

"I need a quiet gym" · "Marlow House is one." · "Are the showers clean?": the name is what is left
out, often without a pronoun. No hotels or restaurants: DSTC11 stays a kind of talk not seen here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

CHAT = (
    "Thanks!|thank you|Thank you, goodbye.|Great, thanks.|ok thanks|No, that is all.|Bye!|Hi|"
    "Okay, thank you very much.|That is all I need, thank you.|Perfect, thanks a lot.|"
    "Nope, that'll do it. Thank you very much!|Wonderful. Thank you for your help.|Great!|"
    "That was all I needed today.|No more questions.|I have what I need now.|Sounds good.|"
    "Cool, thank you.|Thanks, that's all I wanted to know.|You have been very helpful."
).split("|")
FOLLOW_UPS = (
    "How long does it take?|and how long does that take?|How much does it cost?|Why is that?|"
    "Is there a fee for that?|Can I do that online?|How do I do that?|Where can I do this?|"
    "What does it cost?|Is it free?|and what if it fails?|Can I undo it?|Does it work abroad?|"
    "How often can I do it?|Is that safe?|When will it be done?|Who can do that?|Can I cancel it?|"
    "Can somebody else do it for me?|What do I need for it?|Do you charge for it?|"
    "How can I change it?|is there an app for it?|What happens then?|Is there a limit?|"
    "Are there any limits?|"
    "Is there a minimum amount?|What documents do I need?|How does it work?"
).split("|")
DESK_REPLIES = (
    "You can do that in the settings.|Yes, that is possible.|That depends on your account.|Sure.|"
    "Please contact our team and they will help you.|It is on the first page of the app.|Yes.|"
    "We have a page about this in the help centre.|Open the menu and choose the entry you need."
).split("|")
_PLURALS = (
    "guest accounts|parking permits|spare parts|evening classes|vegetarian meals|storage boxes|"
    "text messages|calendar entries|printed tickets|late returns|solar panels|garden tools|"
    "team folders|winter tyres|school trips|voice notes|backup copies|shared links|bus passes|"
    "loyalty points|night shifts|medical records|test results|conference rooms"
).split("|")
_ABOUT_THEM = (
    "Is there a limit on {}?|Are {} free?|Which {} do you have?|What do {} cost?|Do you offer {}?|"
    "How many {} can I have?|Where do I find {}?|Who is allowed to see {}?|How do I order {}?|"
    "Are {} covered?|how long are {} kept?|How do I get rid of {}?|Is there an app for {}?"
).split("|")
_TO_DO = (
    "change my email address|print a label|add a second driver|download my photos|cancel an order|"
    "turn off the alarm|book a flight|move a folder|borrow a projector|renew my passport|"
    "see my payslip|switch to paper bills|install the driver|plan a delivery|delete a photo|"
    "pay by bank transfer|meet a lawyer|bring my cat|descale the coffee machine|register a car"
).split("|")
_HOW_TO = (
    "How do I {}?|Can I {}?|Where can I {}?|Is it possible to {}?|I would like to {}|"
    "what do I need to {}?|When can I {}?"
).split("|")
COMPLETE = [
    form.format(thing)
    for forms, things in ((_ABOUT_THEM, _PLURALS), (_HOW_TO, _TO_DO))
    for form in forms
    for thing in things
]

# What is offered | what it may be called beside a name | questions that only make sense of one.
THINGS = [
    " ".join(lines.split()).split("|")
    for lines in """
gym|Gym,Fitness,Sports Club|Are the showers clean?|Do they have a sauna?|Can I bring a friend?|Is
there a trainer who helps beginners?|How crowded does it get in the evening?|Are yoga classes
included?|Will I find a free locker?

campsite|Camping,Farm,Meadows|Are dogs allowed?|Is there a shop?|Do the pitches have power?|How
clean are the washrooms?|Can we swim nearby?|I want a pitch in the shade, is that possible?|Is it
quiet at night?

dentist|Dental,Dental Practice,Clinic|Do they treat children?|Is the staff friendly?|How long do
people wait?|Do they take my insurance?|Is parking free for patients?|I am nervous, are they
patient?|Does the building have a lift?

museum|Museum,Gallery,Collection|Is there an audio guide?|Are photographs allowed?|Does it have a
café?|Do students pay less?|How long does a visit take?|Is the building accessible for
wheelchairs?|What do visitors think of the garden?

phone|Pro,Mini,Plus|How long does the battery last?|Is it waterproof?|Does the camera work well at
night?|Will it take two cards?|How bright is the screen?|Can I replace the battery?|Does it come
with a charger?

vacuum cleaner|Clean,Turbo,Home|How loud is it?|Does it work on thick carpets?|Are spare filters
easy to find?|Is the cable long enough for a big room?|How heavy is it?|Does it pick up animal
hair?

language course|Language School,Academy,Languages|Are the teachers native speakers?|How big are
the groups?|Is there homework?|Do I get a certificate?|Can I try one lesson first?|What book do
they use?|Do they teach in the evening?

nursery|Nursery,Kindergarten,House|Do the children go outside every day?|Is lunch cooked
there?|How many children are in a group?|What happens when my child is ill?|Are there places
free?|Do parents like the staff?

cinema|Cinema,Picture House,Filmhouse|Are the seats comfortable?|Can I take drinks in?|Do they
show films in the original language?|Is the sound good?|Are tickets cheaper on weekdays?|Is there
a bar?

garage|Motors,Garage,Autos|Do they repair electric cars?|Can I have a car while I wait?|Are the
mechanics honest?|How fast are they usually?|Do they wash the car too?|Will they pick it up from
my home?

hairdresser|Hair,Salon,Cuts|Do they cut curly hair?|Can I come without an appointment?|Is the
colour good?|How much do people tip?|Are they good with children?|Do they sell shampoo?

swimming pool|Baths,Pool,Lido|Is the water warm?|Are there lanes for fast swimmers?|Do I need a
cap?|Is there a slide for children?|When is it least busy?|Can I rent a towel?

laptop|Book,Air,Studio|How many hours does the battery last?|Does the fan get loud?|Can I add
memory?|Is the keyboard good for writing?|Does it have a card reader?|Will it run big games?

bank account|Direct,Basic,Plus|Is there a monthly fee?|Can I pay in cash?|Do I get a card?|How do
I close it?|Does it pay interest?|Is the app any good?

insurance|Cover,Protect,Care|Does it cover theft?|What is excluded?|Can I cancel every month?|Is
my bike included?|How quickly do they pay?|Do I need a receipt?

library|Library,Reading Rooms,Learning Centre|Is there wireless internet?|Are there quiet
rooms?|Can I print there?|How many books may I take?|Does it open on Sundays?|Are the desks free
in the morning?
""".split("\n\n")
]
FIRST = """
Alder Marlow Quill Tamsin Harrow Brindle Corvo Lindel Osprey Wexham Juniper Saltmarsh Pemberton Rook
Calder Fennel Ivory Nettle Orchard Kestrel Amberley Thornton Bellweather Dunmore Eastgate Foxglove
Grantham Hazel Inverley Jasper Kingsley Larkspur Milford Northgate Oakham Pinewood Queensway Redford
Silver Tamarind Upland Violet Westbrook Yarrow Zenith Ashdown Birch Copper Drake Elmwood
""".split()
_WHERE = ("", "", "in the north", "near the station", "in the centre", "in Leeds", "close to me",
          "on the east side", "in Bristol")  # fmt: skip
_HOW = ("", "", "cheap", "quiet", "good", "large", "modern", "family friendly", "mid-priced")
_ASKS = (
    "I am looking for a {thing}|Can you find me a {thing}?|I need a {thing}|Is there a {thing}?|"
    "find me a {thing} please|Hello, I would like a {thing}.|i want a {thing} for my daughter|"
    "Which {thing} would you recommend?|Do you know a {thing}?|Help me choose a {thing}."
).split("|")
_BY_NAME = (
    "What can you tell me about {name}?|Do you have any information on {name}?|"
    "I would like to know more about {name}|Please look up {name}|Have you heard of {name}?"
).split("|")
_OFFERS = (
    "{name} is a {thing}. Would you like more information?|How about {name}?|"
    "I can recommend {name}.|"
    "There are {number} of them. {name} is the one that most people choose.|"
    "I have found {name}. Shall I book it for you?|"
    "{name} has what you want and is well rated.|"
    "Sure, there is {name}, a {thing}.|My suggestion is {name}. Is that all right?"
).split("|")
_BETWEEN = (
    "That sounds good, what is the address?>It is {number} {street} Road.|"
    "Can I have the phone number?>Sure, it is 0{number}55 {number}41.|"
    "Yes please, for {number} people on {day}.>Done. Your reference is {code}. Anything else?|"
    "What is the postcode?>The postcode is {code}.|"
    "Great, book it for {day}.>I have booked it, {code}.|"
    "How much is it?>It is {number} pounds. Can I help you with anything else?|"
    "I don't care about the price.>Then I would take {name}.|What area is it in?>It is {where}."
).split("|")
_BEFORE = ("", "", "", "", "No thanks. ", "Not yet. ", "Before that, ", "Yes, but ", "Great. ",
           "One more thing. ", "Okay, and ", "Can you tell me: ")  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Friday", "Saturday", "next Sunday")

_PRONOUNS = {"it": ("it", "its", "it"), "they": ("they", "their", "them"),
             "he": ("he", "his", "him"), "she": ("she", "her", "her")}  # fmt: skip
PREPOSITION = re.compile(
    r"\b(of|in|for|from|on|at|to|by|with|about|during|within) $", re.IGNORECASE
)
# What stands before a subject, and what may follow a pronoun (a noun may not: "X population").
_SUBJECT = re.compile(
    r"\b(is|was|are|were|did|does|do|has|have|had|can|could|will|would|that|when|where|how|why|"
    r"what|which)\s*$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"\s*([?.,;]|$|(is|was|are|were|did|does|do|has|have|had|can|could|will|would|that|of|in|for|"
    r"from|on|at|to|by|with|about|during|within|and|or|as|after|before|when|who|which|be|known|"
    r"made|considered|located|used|use|become|became|began|come|came|first|not|called|allowed|"
    r"begin|start|play|won|win|lose|lost|get|take|took)\b)"
)
_MODIFIED = re.compile(r"\b(an?|[a-z]+(ern|al|ic|ous|ian|ive)) $", re.IGNORECASE)


def leave_out(question: str, name: str, pronoun: str, dice: random.Random) -> str | None:
    """Return a question without a name, None where that makes no English."""
    match = span_of(name).search(question)
    if not match:
        return None
    before, after = question[: match.start()], question[match.end() :]
    subject, possessive, other = _PRONOUNS[pronoun]
    if match["owner"]:
        return before + possessive + after
    preposition = PREPOSITION.search(before)
    if preposition and re.match(r"\s*(\?|,|$)", after) and dice.random() < 0.45:
        return before[: preposition.start()].rstrip() + after.lstrip()
    if not _AFTER.match(after) or _MODIFIED.search(before):
        return None
    if preposition and preposition[1].lower() in ("in", "at") and dice.random() < 0.4:
        return before[: preposition.start()] + "there" + after
    leads = not before.strip() or (not preposition and _SUBJECT.search(before))
    return before + (subject if leads else other) + after


def span_of(name: str) -> re.Pattern[str]:
    """Return what finds a name, with its article and its genitive (group ``owner``)."""
    return re.compile(
        rf"(?:\bthe )?\b{re.escape(name)}(?P<owner>['’]s?(?!\w))?(?!\w)", re.IGNORECASE
    )


def offer(dice: random.Random) -> tuple[str, list[dict[str, str]], str, str]:
    """Return (name, history, question, what the question means on its own)."""
    history: list[dict[str, str]] = []
    for _ in range(dice.choice([1, 1, 1, 2])):
        name, questions = _talk_of_one(dice, history)
    question = dice.choice(questions)
    opening = dice.choice(_BEFORE)
    lower = opening.endswith((", ", " but ", " and "))
    text = question[0].lower() + question[1:] if lower else question
    return name, history, opening + text, f"{opening}{text} {name}"


def _talk_of_one(dice: random.Random, history: list[dict[str, str]]) -> tuple[str, Sequence[str]]:
    thing, kinds, *questions = dice.choice(THINGS)
    name = _name(dice, kinds.split(","))
    how, where = dice.choice(_HOW), dice.choice(_WHERE)
    given = {
        "thing": " ".join(part for part in (how, thing, where) if part), "name": name,
        "where": where or "in the centre", "street": dice.choice(FIRST), "day": dice.choice(_DAYS),
    }  # fmt: skip

    def say(role: str, text: str) -> None:
        code = "".join(dice.choices("ABCDEFGHKLMNPRSTUVWXYZ23456789", k=7))
        said = text.format(number=dice.randint(2, 80), code=code, **given)
        if role == "user" and dice.random() < 0.25:
            said = said.lower()
        history.append({"role": role, "text": said})

    if dice.random() < 0.25:
        say("user", dice.choice(_BY_NAME))
        say("assistant", "{name} is a {thing}." if dice.random() < 0.5 else "Yes. It is {where}.")
    else:
        say("user", dice.choice(_ASKS))
        if dice.random() < 0.3:
            say("assistant", "There are {number}. Do you have a price or an area in mind?")
            answers = ["No.", "Anything is fine.", "{where}", "Not really, you choose."]
            say("user", dice.choice(answers))
        say("assistant", dice.choice(_OFFERS))
    for between in dice.sample(_BETWEEN, dice.choice([0, 0, 1, 1, 2])):
        asked, answered = between.split(">")
        say("user", asked)
        say("assistant", answered)
    return name, questions


def _name(dice: random.Random, kinds: Sequence[str]) -> str:
    one, two = dice.sample(FIRST, 2)
    forms = ["{one} {kind}", "{one} {kind}", "{one} {two}", "{one}", "The {one} {kind}",
             "{one} and {two}", "{one} {two} {kind}", "{one}'s {kind}"]  # fmt: skip
    return dice.choice(forms).format(one=one, two=two, kind=dice.choice(kinds))
