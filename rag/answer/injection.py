"""Text that talks to a language model instead of to the reader: never part of an answer.

Passages are data. What addresses a model is left out of extracted answers, with the rest of its
paragraph, unless the question is about that very thing. Rules of precision: a help page may say
"ignore the warning" or "voice assistants" without harm.
"""

from __future__ import annotations

import re

_MODEL = (
    r"(?:language models?|LLMs?|(?:AI|automated|digital|virtual)[ -](?:assistants?|agents?|"
    r"models?|systems?|"
    r"readers?|chatbots?)|chatbots?|GPT|(?:KI|AI)-?(?:Assistent\w*|Modell\w*)|Sprachmodell\w*|"
    r"modelos? de lenguaje|modèles? de langage)"
)
_ORDER = (
    r"(?:must|should|shall|always|never|do not|don't|please|reply|respond|answer|say|tell|"
    r"output|print|repeat|reading|ignore)"
)
_ADDRESS = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b[^.!?\n]{0,40}\b(?:instructions?|prompts?|"
    r"guidelines|context|rules above|"
    r"(?:previous|prior|above|earlier) (?:text|messages?|rules))\b"
    r"|\b(?:ignorier\w*|vergiss|vergessen sie|missachte\w*)\b[^.!?\n]{0,40}\b(?:anweisung\w*|"
    r"instruktion\w*|vorgaben)\b"
    r"|\b(?:ignor[ae]\w*|olvid[ae]\w*|oubli\w+)\b[^.!?\n]{0,40}\b(?:instrucciones|instructions|"
    r"consignes|indicaciones)\b"
    r"|\bsystem[ -]?(?:prompt|message|notice for)\b|<\|?(?:im_start|system|endoftext)\|?>|"
    r"\[/?INST\]"
    r"|\bas an? (?:AI|artificial intelligence|language model|helpful assistant)\b"
    r"|\byou are (?:now )?(?:an? |the )?(?:\w+ )?(?:AI|language model|chatbot|assistant|LLM)\b"
    r"|\b(?:new|your) instructions?\b[^.!?\n]{0,20}(?::| are\b)"
    rf"|\b(?:note|notice|message|attention|instructions?|hinweis|nota)\b[^.!?\n]{{0,30}}\b(?:to|"
    rf"for|an|für|para|aux?|pour)\b[^.!?\n]{{0,30}}\b{_MODEL}"
    rf"|\b(?:if you are|you,)\s+(?:an? |the )?{_MODEL}"
    rf"|{_MODEL}[^.!?\n]{{0,30}}\b{_ORDER}\b[^.!?\n]{{0,60}}\b(?:answer|question|user|customer|"
    rf"cit(?:e|ation)|page|say|tell|recommend|claim)",
    re.IGNORECASE,
)
_ABOUT_IT = re.compile(
    rf"\b(?:prompt|inject\w*|jailbreak\w*|instructions? (?:for|to) (?:ai|models?))\b|{_MODEL}|"
    rf"\bAI\b",
    re.IGNORECASE,
)


def addresses_model(text: str) -> bool:
    """Tell whether the text gives a language model orders."""
    return bool(_ADDRESS.search(text))


def asks_about_models(question: str) -> bool:
    """Tell whether the question is about such text itself."""
    return bool(_ABOUT_IT.search(question))


def tainted(text: str) -> list[tuple[int, int]]:
    """Return the paragraphs of a text, as offsets, that hold an order to a model.

    The whole paragraph, because the order is followed by what it wants to have said.
    """
    found = []
    start = 0
    for part in re.split(r"(\n[ \t]*\n|\n(?=[ \t]*(?:[-*•#]|\d+[.)]) ))", text):
        if part.strip() and addresses_model(part):
            found.append((start, start + len(part)))
        start += len(part)
    return found
