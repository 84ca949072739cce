"""What Moodle calls the columns of its files, in the languages of its users: all read as the English ones.

A language pack that lacks a string shows the English one, so a file may mix both. Sources: Moodle's language packs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

IDENTIFIER, GRADE, MOST, CHANGEABLE = "identifier", "grade", "maximum grade", "grade can be changed"
SUBMITTED, FEEDBACK = "last modified (submission)", "feedback comments"
FULL_NAME, FIRST_NAME, LAST_NAME = "full name", "first name", "last name"
ID_NUMBER, USERNAME, EMAIL = "id number", "username", "email address"

_WORDS: Mapping[str, tuple[str, ...]] = {
    IDENTIFIER: ("식별자", "ID", "Identifiant", "Identificador", "Identificativo", "识别号"),
    FULL_NAME: ("성명", "Vollständiger Name", "Nom complet", "Nombre completo", "Nome completo", "姓名", "フルネーム"),
    FIRST_NAME: ("이름", "Vorname", "Prénom", "Nombre", "Nome", "名"),
    LAST_NAME: ("성", "Surname", "Nachname", "Nom de famille", "Nom", "Apellido(s)", "Cognome", "Sobrenome", "姓"),
    ID_NUMBER: ("ID 번호", "학번", "ID-Nummer", "Numéro d'identification", "Número de ID"),
    USERNAME: ("사용자 아이디", "Anmeldename", "Nom d'utilisateur", "Nombre de usuario"),
    EMAIL: (
        "이메일 주소", "이메일", "E-Mail-Adresse", "Adresse de courriel", "Dirección de correo", "Indirizzo email",
        "Endereço de email", "电子邮件地址", "メールアドレス",
    ),
    GRADE: ("성적", "Bewertung", "Note", "Calificación", "Valutazione", "Nota", "成绩", "評点"),
    MOST: (
        "최대 성적", "최고 성적", "최고성적", "Bestwertung", "Note maximale", "Calificación máxima",
        "Valutazione massima", "Nota máxima", "最高成绩",
    ),
    CHANGEABLE: (
        "Bewertung kann geändert werden", "La note peut être modifiée", "Nota pode ser alterada", "允许更改成绩",
    ),
    FEEDBACK: (
        "피드백 코멘트", "Feedback als Kommentar", "Feedback par commentaires", "Commentaires de feedback",
        "Comentarios de retroalimentación", "Commenti di feedback", "Comentários de feedback", "反馈评论",
    ),
    SUBMITTED: (
        "마지막 수정됨(제출)", "Zuletzt geändert (Abgabe)", "Dernière modification (travail remis)",
        "Última modificación (entrega)", "Ultima modifica (consegna)", "Última modificação (envio)",
        "上次修改\uff08作业\uff09",
    ),
}  # fmt: skip
REAL = frozenset({"real", "실점수", "실제", "punkte", "brut", "reale", "实际分数"})
"""How the gradebook's export calls points, in brackets behind an assignment's name."""
COMMENT = frozenset({"feedback", "피드백", "rückmeldung", "retroalimentación", "反馈"})
NO_POINTS = frozenset({
    "percentage", "letter", "백분율", "백분률", "문자", "prozentsatz", "prozent", "buchstabe", "pourcentage", "lettre",
    "porcentaje", "letra", "percentuale", "lettera",
})  # fmt: skip
LOCKED = frozenset({"no", "아니오", "아니요", "nein", "non", "não", "否", "いいえ"})


def in_english(headings: Sequence[str]) -> tuple[str, ...]:
    """Each heading in lower case, as the English files have it where it is one of Moodle's."""
    plain = [" ".join(unicodedata.normalize("NFC", heading).split()).casefold() for heading in headings]
    lone_name = not any(_ENGLISH.get(each, each) == LAST_NAME for each in plain)
    return tuple(_one(each, lone_name=lone_name) for each in plain)


def _one(heading: str, *, lone_name: bool) -> str:
    if "수정" in heading and "제출" in heading:  # its wording changed with the years
        return SUBMITTED
    english = _ENGLISH.get(heading, heading)
    return FULL_NAME if english == FIRST_NAME and lone_name else english  # `이름` is both


def participant(identifier: str) -> str:
    """The number in `Participant 55501`, `참가자 55501`, `Teilnehmer/in55501`; what it is else."""
    found = re.fullmatch(r"\D*(\d+)", identifier.strip())
    return found[1] if found else identifier.strip()


_ENGLISH = {word.casefold(): english for english, words in _WORDS.items() for word in words}
