"""Writes the example exports beside this file, the same bytes on every run: python examples/generate_leads.py

leads.csv           a brokerage's spreadsheet: 2,000 different people, and all that makes such files hard
portal.csv          a portal's export in Windows-1252, a `sep=` line and a title above the header
hubspot.csv         HubSpot's contact export
meta_lead_ads.csv   Meta's lead-ads download: UTF-16, tabs, phones as `p:+569…`

Nobody here exists: phones are 9 5555 xxxx, e-mails are in domains that RFC 2606 reserves for examples.
"""

import csv
import io
import random
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

SEED = 20_250_301
PEOPLE = 2_000
START = datetime(2025, 1, 6, 8, tzinfo=UTC)

FIRST_NAMES = (
    "Agustín", "Alejandra", "Álvaro", "Andrea", "Antonia", "Benjamín", "Bárbara", "Camila", "Carlos",
    "Carolina", "Catalina", "Claudia", "Constanza", "Cristóbal", "Daniela", "Diego", "Eduardo",
    "Emilia", "Esteban", "Fernanda", "Felipe", "Florencia", "Francisca", "Gabriel", "Gonzalo",
    "Ignacia", "Isidora", "Javier", "Joaquín", "José", "Josefa", "Juan", "Karina", "Laura", "Lorena",
    "Lucas", "Macarena", "Manuel", "Marcela", "Martín", "Matías", "Maximiliano", "Muriel", "Nicolás",
    "Pablo", "Paulina", "Pía", "Raúl", "Renata", "Rodrigo", "Rocío", "Sebastián", "Sofía", "Tomás",
    "Valentina", "Vicente", "Ximena", "Yasna",
)  # fmt: skip
LAST_NAMES = (
    "Aguilera", "Araya", "Bravo", "Bustos", "Cáceres", "Campos", "Carrasco", "Castillo", "Contreras",
    "Cortés", "Díaz", "Espinoza", "Fernández", "Figueroa", "Flores", "Fuentes", "Gallardo", "Garrido",
    "Gómez", "González", "Gutiérrez", "Henríquez", "Herrera", "Ibáñez", "Jara", "Leiva", "López",
    "Maldonado", "Martínez", "Medina", "Méndez", "Morales", "Moreno", "Muñoz", "Navarro", "Núñez",
    "Olivares", "Orellana", "Ortiz", "Pérez", "Pizarro", "Quiroga", "Ramírez", "Reyes", "Riquelme",
    "Rivera", "Rojas", "Saavedra", "Salazar", "Sandoval", "Sepúlveda", "Silva", "Soto", "Tapia", "Toro",
    "Torres", "Valdés", "Vargas", "Vega", "Vera", "Zúñiga",
)  # fmt: skip
COMUNAS = (
    "Ñuñoa", "Providencia", "Las Condes", "La Florida", "Maipú", "Puente Alto", "Santiago Centro",
    "San Miguel", "Macul", "Peñalolén", "La Reina", "Vitacura", "Estación Central", "Independencia",
    "Recoleta", "Quilicura", "San Joaquín", "La Cisterna", "Lo Barnechea", "Huechuraba",
)  # fmt: skip
DOMAINS = ("example.com", "example.org", "example.net", "correo.example", "empresa.example")
SOURCES = (
    "Portal Inmobiliario", "TocToc", "Yapo", "Instagram", "Facebook", "Referido", "Sitio web",
    "Sala de ventas",
)  # fmt: skip
TAGS = (
    "primera vivienda", "inversionista", "urgente", "subsidio", "pie listo", "vende para comprar", "familia",
    "vip",
)  # fmt: skip
PROPERTIES = ("Departamento", "Casa", "Depto", "Oficina", "Parcela")
TIMELINES = ("este mes", "1 a 3 meses", "3-6 meses", "este año", "sin apuro")
COMMENTS = (
    "Quiere visitar el fin de semana", "Pide cotización; tiene el pie", 'Busca "algo con terraza"',
    "Llamar después de las 18:00", "Vio el aviso en Instagram, pregunta por gastos comunes",
    "Trabaja por turnos\nmejor por WhatsApp", "Consulta por estacionamiento",
    "Segunda visita, viene con su pareja",
)  # fmt: skip
STAGES = ("Entrada", "Perfilamiento", "Calificación financiera", "Seguimiento", "ENTRADA", "perfilamiento")

HEADER = (
    "Nombre", "Apellido", "Teléfono", "Correo electrónico", "Comuna", "Presupuesto", "Renta líquida", "DICOM",
    "Deuda", "Plazo", "Tipo de propiedad", "Dormitorios", "Objetivo", "Etiquetas", "Origen", "Etapa", "Fecha",
    "Comentarios",
)  # fmt: skip

PHONE_FORMATS = (
    "9 {0} {1}", "+56 9 {0} {1}", "(09) {0}-{1}", "569{0}{1}", "+569{0}{1}", "9{0}{1}", "9-{0}-{1}",
    "56 9 {0} {1}", "'+569{0}{1}", "9 {0} {1} / 2 2{0} {1}", "+56 (9) {0} {1}", "09 {0} {1}",
)  # fmt: skip
UF_FORMATS = ("{0} UF", "UF {0}", "{0}UF", "uf {0}", "{0} uf aprox")
PESO_FORMATS = ("${0}", "{0}", "$ {0}.-", "{0} pesos", "CLP {0}")
VAGUE_BUDGETS = ("a convenir", "entre 80 y 100 millones", "lo que apruebe el banco", "N/A", "3500")
CLEAN_WORDS = ("No", "Limpio", "NO", "sin dicom", "clean")
DEBT_WORDS = ("Sí", "con deuda", "SI", "has_debt")

# Phone and e-mail of lines that nobody can be reached by; each is refused with a reason of its own.
NOBODY = (
    ("5,69877E+10", ""), ("12345", ""), ("", ""), ("no tiene", "sin correo"), ("999999999", ""),
    ("", "ana@@example"), ("+56 9 555", "ana.example.com"), ("8765 432", ""), ("#N/A", "#N/A"),
    ("", "-"), ("987", "(sin mail)"), ("+1 234", ""),
)  # fmt: skip

Row = dict[str, str]


class Dice:
    """Only `random()`: of all methods of Random it alone is promised to give the same numbers for ever."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def pick(self, options: Sequence[str]) -> str:
        return options[self.below(len(options))]

    def shuffle(self, items: list[Row]) -> None:
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]


def plain(text: str) -> str:
    """For an e-mail address: no accents, no spaces."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return "".join(c for c in decomposed if c.isascii() and c.isalpha())


def phone(dice: Dice, number: int) -> str:
    return dice.pick(PHONE_FORMATS).format("5555", f"{number:04d}")


def dotted(amount: int, separator: str = ".") -> str:
    return f"{amount:,}".replace(",", separator)


def pesos(dice: Dice, amount: int) -> str:
    if amount % 1_000_000 == 0 and dice.chance(0.3):
        return f"{amount // 1_000_000} {dice.pick(('MM', 'millones'))}"
    separator = dice.pick((".", ".", ",", ""))
    return dice.pick(PESO_FORMATS).format(dotted(amount, separator))


def budget(dice: Dice) -> str:
    if dice.chance(0.25):
        return ""
    if dice.chance(0.5):
        return dice.pick(UF_FORMATS).format(dotted(1_500 + 100 * dice.below(80)))
    return pesos(dice, 1_000_000 * (45 + dice.below(200))) if dice.chance(0.9) else dice.pick(VAGUE_BUDGETS)


def income(dice: Dice) -> str:
    return "" if dice.chance(0.35) else pesos(dice, 50_000 * (6 + dice.below(70)))


def credit(dice: Dice) -> tuple[str, str]:
    """DICOM and debt, as two cells."""
    if dice.chance(0.4):
        return "", ""
    if dice.chance(0.75):
        return dice.pick(CLEAN_WORDS), dice.pick(("", "0", "no"))
    return dice.pick(DEBT_WORDS), pesos(dice, 50_000 * (1 + dice.below(30)))


def tags(dice: Dice) -> str:
    chosen = [dice.pick(TAGS) for _ in range(dice.below(4))]
    return dice.pick((",", ", ", " | ", ";")).join(chosen)


def wish(dice: Dice) -> Row:
    dicom, debt = credit(dice)
    return {
        "Comuna": dice.pick(COMUNAS) if dice.chance(0.8) else "",
        "Presupuesto": budget(dice),
        "Renta líquida": income(dice),
        "DICOM": dicom,
        "Deuda": debt,
        "Plazo": dice.pick(TIMELINES) if dice.chance(0.6) else "",
        "Tipo de propiedad": dice.pick(PROPERTIES) if dice.chance(0.7) else "",
        "Dormitorios": str(1 + dice.below(4)) if dice.chance(0.5) else "",
        "Objetivo": dice.pick(("Vivienda", "inversión", "vivir", "Invertir")) if dice.chance(0.5) else "",
    }


def inquiry(dice: Dice, number: int) -> Row:
    at = START + timedelta(minutes=41 * number + dice.below(40))
    return {
        "Etiquetas": tags(dice),
        "Origen": dice.pick(SOURCES),
        "Etapa": dice.pick(STAGES) if dice.chance(0.7) else "",
        "Fecha": at.strftime(dice.pick(("%d/%m/%Y", "%d-%m-%Y %H:%M", "%d/%m/%Y %H:%M"))),
        "Comentarios": dice.pick(COMMENTS) if dice.chance(0.4) else "",
    }


def person(dice: Dice, number: int) -> Row:
    name, surname = dice.pick(FIRST_NAMES), dice.pick(LAST_NAMES)
    address = f"{plain(name)}.{plain(surname)}{number}@{dice.pick(DOMAINS)}"
    row = {
        "Nombre": name,
        "Apellido": surname,
        "Teléfono": phone(dice, number),
        "Correo electrónico": address,
    }
    if dice.chance(0.25):
        row["Correo electrónico"] = ""
    elif dice.chance(0.1):
        row["Teléfono"] = dice.pick(("", "", "12345", "5,69877E+10"))
    return row | wish(dice) | inquiry(dice, number % PEOPLE)


def untidy(dice: Dice, row: Row) -> Row:
    """The same, as people type it."""
    if dice.chance(0.1):
        row["Nombre"] = dice.pick((row["Nombre"].upper(), f"  {row['Nombre']} ", row["Nombre"].lower()))
    if dice.chance(0.04):
        row["Nombre"], row["Apellido"] = dice.pick(("-", "sin nombre", "N/A")), ""
    if row["Correo electrónico"] and dice.chance(0.1):
        row["Correo electrónico"] = dice.pick((" {} ", "mailto:{}", "{};")).format(row["Correo electrónico"])
    return row


def people(dice: Dice) -> list[Row]:
    """Different people all. Every hundredth shares the mailbox of the one before, but not the phone."""
    rows = [person(dice, number) for number in range(PEOPLE)]
    for number in range(99, PEOPLE, 100):
        rows[number - 1]["Teléfono"], rows[number]["Teléfono"] = phone(dice, number - 1), phone(dice, number)
        rows[number]["Correo electrónico"] = rows[number - 1]["Correo electrónico"]
    return rows


def repeats(dice: Dice, rows: list[Row]) -> list[Row]:
    """People who asked again: by the same phone, by the same e-mail alone, and lines that are there twice."""
    again = []
    for number in range(30, PEOPLE, 45):
        row = rows[number] | wish(dice) | inquiry(dice, PEOPLE + number)
        if row["Correo electrónico"]:
            row |= {"Teléfono": "", "Correo electrónico": row["Correo electrónico"].upper()}
        else:
            row |= {"Teléfono": phone(dice, number), "Nombre": dice.pick(FIRST_NAMES)}
        again.append(row)
    return again + rows[10:PEOPLE:200]


def nobody(dice: Dice) -> list[Row]:
    addresses = [{"Teléfono": phone, "Correo electrónico": email} for phone, email in NOBODY * 2]
    return [{"Nombre": dice.pick(FIRST_NAMES)} | address | inquiry(dice, 7) for address in addresses]


def spreadsheet() -> bytes:
    dice = Dice(SEED)
    known = [untidy(dice, row) for row in people(dice)]
    rows = known + repeats(dice, known) + nobody(dice)
    dice.shuffle(rows)
    lines = [written([row.get(column, "") for column in HEADER], ";") for row in rows]
    for number in range(150, len(lines), 170):
        lines[number] = dice.pick(("\r\n", ";" * (len(HEADER) - 1) + "\r\n")) + lines[number]
    # A comment with the separator in it that nobody put in quotes: one column too many.
    lines.insert(700, "Pía;Soto;9 5555 2901;;Macul;;;;;;;;;;Yapo;;03/02/2025;Llamar;hoy\r\n")
    return ("\ufeff" + written(HEADER, ";") + "".join(lines) + f"Total;{PEOPLE};;\r\n").encode()


def written(cells: Iterable[str], delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerow(cells)
    return text.getvalue()


def table(header: Sequence[str], rows: Iterable[Sequence[str]], delimiter: str) -> str:
    return "".join(written(cells, delimiter) for cells in (header, *rows))


def portal() -> bytes:
    dice = Dice(SEED + 1)
    header = (
        "Nombre", "Apellido", "Teléfono", "Celular", "Correo", "Comuna", "Presupuesto", "Comentarios",
        "Etiquetas", "Origen", "Fecha",
    )  # fmt: skip
    rows = []
    for number in range(3000, 3030):
        who = person(dice, number)
        who |= {"Celular": who["Teléfono"], "Teléfono": dice.pick(("", f"2 2555 {number}"))}
        who["Correo"] = who["Correo electrónico"]
        rows.append([who[column] for column in header])
    title = "sep=;\r\nContactos recibidos;;;;;;;;;;\r\n\r\n"
    return (title + table(header, rows, ";")).encode("cp1252")


def hubspot() -> bytes:
    dice = Dice(SEED + 2)
    header = (
        "Record ID", "First Name", "Last Name", "Email", "Phone Number", "Lead Status", "Contact owner",
        "Create Date",
    )  # fmt: skip
    rows = []
    for number in range(4000, 4030):
        who = person(dice, number)
        at, owner = START + timedelta(minutes=53 * (number - 4000)), dice.pick(("Paula Agente", ""))
        rows.append(
            (
                str(66_000 + number), who["Nombre"], who["Apellido"], who["Correo electrónico"],
                who["Teléfono"], dice.pick(("New", "Open", "Connected", "")), owner, f"{at:%Y-%m-%d %H:%M}",
            )
        )  # fmt: skip
    return table(header, rows, ",").encode()


def meta_lead_ads() -> bytes:
    dice = Dice(SEED + 3)
    header = (
        "id", "created_time", "ad_id", "ad_name", "form_id", "form_name", "is_organic", "platform",
        "¿en_qué_comuna_buscas?", "¿cuál_es_tu_presupuesto?", "full_name", "email", "phone_number",
    )  # fmt: skip
    rows = []
    for number in range(5000, 5030):
        who, at = person(dice, number), START + timedelta(minutes=67 * (number - 5000))
        rows.append(
            (
                f"l:{910_000_000 + number}", f"{at:%Y-%m-%dT%H:%M:%S}-03:00", "ag:120001", "Torre Aurora",
                "f:330001", "Cotiza tu depto", "false", dice.pick(("fb", "ig")), who["Comuna"],
                budget(dice), f"{who['Nombre']} {who['Apellido']}", who["Correo electrónico"],
                f"p:+5695555{number}",
            )
        )  # fmt: skip
    return ("\ufeff" + table(header, rows, "\t")).encode("utf-16-le")


FILES: dict[str, Callable[[], bytes]] = {
    "leads.csv": spreadsheet,
    "portal.csv": portal,
    "hubspot.csv": hubspot,
    "meta_lead_ads.csv": meta_lead_ads,
}


def main() -> None:
    for name, make in FILES.items():
        path = Path(__file__).with_name(name)
        path.write_bytes(make())
        sys.stdout.write(f"{path.name}: {path.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
