"""Does a text ask not to be contacted any more? Pure. The keywords are those of docs/contact-rules.md."""

import re
import unicodedata

# As `plain` writes them: lower case, no accents, no punctuation.
KEYWORDS = frozenset(
    [
        *("stop", "quit", "end", "revoke", "opt out", "optout", "cancel", "unsubscribe", "stopall"),
        *(
            "baja",
            "alto",
            "parar",
            "detener",
            "cancelar",
            "salir",
            "no mas",
            "no molestar",
            "no llamar",
            "eliminar",
        ),
        *("sair", "remover"),
    ]
)
# As an answer to a message about an appointment these mean the appointment.
APPOINTMENT_KEYWORDS = frozenset({"cancelar", "cancel", "salir"})

# A channel as people call it, behind a keyword ("no más whatsapp", "stop emails"): that channel only is meant.
CHANNEL_WORDS = {
    "whatsapp": ("whatsapp", "whatsapps", "wasap", "wasaps", "guasap", "wsp", "wpp"),
    "telegram": ("telegram", "telegrams"),
    "email": ("email", "emails", "mail", "mails", "emailing", "correo", "correos"),
    "call": ("call", "calls", "calling", "phone", "llamada", "llamadas", "telefono", "ligacoes"),
}
CHANNEL_OF = {word: channel for channel, words in CHANNEL_WORDS.items() for word in words}
# Several words that are one.
ONE_WORD = {
    "whats app": "whatsapp",
    "e mail": "email",
    "e mails": "emails",
    "correo electronico": "correo",
    "correos electronicos": "correos",
    "phone call": "call",
    "phone calls": "calls",
    "llamada telefonica": "llamada",
    "llamadas telefonicas": "llamadas",
}
POLITE = {"please", "thanks", "thank you", "por favor", "porfa", "gracias", "obrigado"}
LINKS = {
    *("a", "al", "con", "de", "del", "e", "el", "en", "la", "las", "los", "me", "mas", "mis", "ni", "o", "por", "sus"),
    *("and", "any", "by", "from", "more", "my", "nor", "or", "the", "via", "your", "y"),
}
NAMING_KEYWORDS = (*sorted(KEYWORDS, key=len, reverse=True), "no more")
# "Cancel the call" may be about a meeting.
MEETING_KEYWORDS, MEETING_WORDS = APPOINTMENT_KEYWORDS | {"end"}, {"call", "llamada"}

SHORT_ANSWER_WORDS = 4
SHORT_ANSWER = re.compile(
    # "stop please", "baja por favor", "no más mensajes"
    r"(stop|stopall|unsubscribe|baja|parar|paren|detener|sair|remover|basta|no (mas|molestar|llamar))( .*)?"
    # "please stop", "¿pueden parar?"
    r"|.* (stop|unsubscribe|parar|paren|detener)"
)
WORDINGS = re.compile(
    r"\b("
    r"unsubscribe|stopall|optout|opt (me |us )?out|leave me alone"
    r"|(stop|quit) (calling|texting|messaging|contacting|emailing|sending|writing|bothering|spamming)"
    r"|(do not|dont|don t|never) (call|text|contact|message|e ?mail|write|bother|disturb) (me|us)"
    r"|(no more|stop( the| your)?) (calls|texts|messages|e ?mails)"
    r"|no mas (llamadas|mensajes|correos|mails|e ?mails|whatsapps?)"
    r"|(remove|delete|take) (me|us|my|our)"
    r"|(dar|dame|darme|darse|deme|denme|quiero|solicito|pido) (de )?(la )?baja"
    r"|no (me|nos) (llam|escrib|contact|molest|mand|envi|insist)(e|es|en|a|as|an)\b"
    r"|no (me|nos) (vuelv|sig|sigu)(a|as|an|en) "
    r"|no (quiero|deseo|queremos) (recibir|mas|que me|ser contactad)"
    r"|(dejen?|dejes|deja|dejame|dejenme|paren|basta) (ya )?(de )?"
    r"(en paz|escrib|llam|molest|mand|envi|contact)"
    r"|(elimin|borr|saqu|sac|quit)[a-z]+ (mi|mis|este|el|los) (datos|numero|telefono|correo|contacto)"
    r"|(elimin|borr|saqu|sac|quit)(a|e|en)me"
    r"|nao (me (ligue|mande|escreva|chame|envie)|quero (mais|receber))"
    r"|parem? de (ligar|mandar|enviar|escrever)"
    r")"
)


def is_opt_out(text: str) -> bool:
    """Whether the whole message is one of the keywords; case, accents and punctuation do not matter."""
    return plain(text) in KEYWORDS


def revoked_channels(text: str) -> tuple[str, ...]:
    """For which channels a whole message takes the permission back: `*` for every one, or those that it names; () when
    it is no opt-out."""
    return ("*",) if is_opt_out(text) else named_channels(text)


def named_channels(text: str) -> tuple[str, ...]:
    """Those on which the whole message asks to be left alone: a keyword and what they are called; () for none."""
    keyword, named = _keyword_and_channels(text)
    if keyword in MEETING_KEYWORDS and set(named) <= MEETING_WORDS:
        return ()
    return tuple(dict.fromkeys(CHANNEL_OF[word] for word in named))


def _keyword_and_channels(text: str) -> tuple[str, list[str]]:
    """The keyword a message begins with, and the words for channels behind it; none where anything else stands."""
    words = f" {plain(text)} "
    for several in POLITE:
        words = words.replace(f" {several} ", " ")
    for several, one in ONE_WORD.items():
        words = words.replace(f" {several} ", f" {one} ")
    keyword = next((each for each in NAMING_KEYWORDS if words.startswith(f" {each} ")), "")
    rest = words.removeprefix(f" {keyword}").split() if keyword else []
    named = [word for word in rest if word in CHANNEL_OF]
    is_all = all(word in CHANNEL_OF or word in LINKS for word in rest)
    return (keyword, named) if named and is_all else ("", [])


def looks_like_opt_out(text: str) -> bool:
    """Whether it reads like an opt-out without being one of the keywords: a person has to decide."""
    words = plain(text)
    keyword, _named = _keyword_and_channels(text)
    if words in KEYWORDS or keyword:
        return words not in KEYWORDS and not named_channels(text)
    is_short = 0 < len(words.split()) <= SHORT_ANSWER_WORDS
    return bool(WORDINGS.search(words)) or (is_short and bool(SHORT_ANSWER.fullmatch(words)))


def may_mean_appointment(text: str) -> bool:
    """Whether the keyword means the appointment when it answers a message about one."""
    keyword, named = _keyword_and_channels(text)
    return plain(text) in APPOINTMENT_KEYWORDS or (keyword in APPOINTMENT_KEYWORDS and set(named) <= MEETING_WORDS)


def plain(text: str) -> str:
    """Lower case, without accents, punctuation, emoji and invisible signs, words one blank apart."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    kept = (sign if sign.isalnum() else " " for sign in letters if unicodedata.category(sign) not in ("Mn", "Cf"))
    return " ".join("".join(kept).split())
