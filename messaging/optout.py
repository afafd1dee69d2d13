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
    r"|no more (calls|texts|messages|e ?mails)"
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


def looks_like_opt_out(text: str) -> bool:
    """Whether it reads like an opt-out without being one of the keywords: a person has to decide."""
    words = plain(text)
    if words in KEYWORDS:
        return False
    is_short = 0 < len(words.split()) <= SHORT_ANSWER_WORDS
    return bool(WORDINGS.search(words)) or (is_short and bool(SHORT_ANSWER.fullmatch(words)))


def may_mean_appointment(text: str) -> bool:
    """Whether the keyword means the appointment when it answers a message about one."""
    return plain(text) in APPOINTMENT_KEYWORDS


def plain(text: str) -> str:
    """Lower case, without accents, punctuation, emoji and invisible signs, words one blank apart."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    kept = (sign if sign.isalnum() else " " for sign in letters if unicodedata.category(sign) not in ("Mn", "Cf"))
    return " ".join("".join(kept).split())
