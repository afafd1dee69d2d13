"""Which column is what: the headers of real exports, in Spanish and English, as literal tables."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from leads.importer.reading import NotACsv
from leads.importer.words import squash, squashed


class MappingError(ValueError):
    """A `key=column` that names a key or a column that does not exist."""


# key → headers, the preferred ones first: with several phone columns the mobile is tried before the landline.
_ALIASES = {
    "phone": """
        whatsapp, whatsapp phone number, número de whatsapp, whatsapp number, celular, número de celular, teléfono
        celular, nro celular, n° celular, móvil, teléfono móvil, número de móvil, número de teléfono móvil, mobile,
        mobile phone, mobile phone number, mobile number, teléfono whatsapp, whatsapp cliente, celular 1, móvil 1,
        celular cliente, celular del cliente, número celular, número móvil, n° móvil, fono móvil, fono celular, tel
        móvil, tel celular, mobile no, cell, cell phone, cellphone, phone, phone number, phone 1, telephone,
        telephone number, contact phone, teléfono, teléfonos, número de teléfono, nro teléfono, n° teléfono, n° de
        teléfono, nro de teléfono, fono, fono contacto, tel, telf, teléfono principal, teléfono cliente, teléfono
        del cliente, teléfono del contacto, phone no, contact number, fono cliente, teléfono 1, teléfono contacto,
        teléfono de contacto, número de contacto, número telefónico, celular/teléfono, teléfono/celular, celular 2,
        teléfono 2, phone 2, otro teléfono, other phone, teléfono fijo, fijo, home phone, teléfono casa, teléfono
        particular, teléfono trabajo, teléfono oficina, work phone
        """,
    "email": """
        email, e-mail, email address, e-mail address, mail, correo, correo electrónico, correos, dirección de
        correo, dirección de correo electrónico, dirección de email, correo contacto, correo de contacto, email
        contacto, email de contacto, contact email, email principal, correo principal, mail contacto, mail de
        contacto, email cliente, correo cliente, correo del cliente, mail cliente, email del cliente, email 1,
        correo 1, email personal, correo personal, personal email, work email, correo trabajo, correo corporativo,
        email 2, correo 2, correo alternativo, secondary email
        """,
    "telegram_chat_id": """
        telegram chat id, telegram id, id de telegram, id telegram, chat id, chat id telegram, telegram
        """,
    "name": """
        nombre completo, nombres y apellidos, nombre y apellido, nombre y apellidos, nombre apellido, full name,
        name, nombre, contact name, lead name, customer name, client name, nombre contacto, nombre del contacto,
        nombre de contacto, nombre cliente, nombre del cliente, nombre lead, nombre del lead, nombre interesado,
        contacto, contact, cliente, client, customer, interesado, prospecto, lead
        """,
    "first_name": "first name, firstname, given name, nombres, primer nombre, nombre de pila",
    "last_name": """
        last name, surname, family name, apellido, apellidos, apellido paterno, primer apellido, apellido materno,
        segundo apellido
        """,
    "tags": "tags, tag, etiquetas, etiqueta, labels, label, categorías, palabras clave",
    "notes": """
        notas, nota, notes, note, comentarios, comentario, comments, comment, observaciones, observación, obs,
        remarks, detalle, detalles, descripción, notas internas, internal notes
        """,
    "text": """
        mensaje, mensajes, message, consulta, inquiry, enquiry, texto, pregunta, question, mensaje del cliente,
        mensaje del interesado, texto de la consulta, your message, tu mensaje
        """,
    "location": """
        comuna de interés, comunas de interés, zona de interés, ubicación de interés, sector de interés, comuna,
        comunas, ubicación, location, zona, sector, barrio, neighborhood, neighbourhood, ciudad, city, distrito,
        municipio, localidad
        """,
    "budget": """
        presupuesto, presupuesto máximo, presupuesto estimado, presupuesto clp, ppto, presupuesto $,
        presupuesto (pesos), budget, max budget, budget max, rango de precio, precio máximo, price range,
        inversión estimada, monto a invertir
        """,
    "budget_uf": "presupuesto uf, presupuesto en uf, presupuesto máximo uf, budget uf",
    "monthly_income": """
        ingreso mensual, ingresos mensuales, ingresos, renta, renta líquida, renta mensual, renta líquida mensual,
        sueldo, sueldo líquido, salario, monthly income, income, salary, ingreso líquido, ingresos líquidos, ingreso
        familiar, renta familiar, monthly_income
        """,
    "debt": """
        deuda, deudas, deuda total, monto deuda, monto de deuda, debt, debt amount, total debt, deuda dicom, monto
        dicom
        """,
    "dicom_status": """
        dicom, dicom_status, estado dicom, situación dicom, en dicom, está en dicom, tiene dicom, boletín comercial,
        credit status
        """,
    "timeline": """
        plazo, plazo de compra, timeline, timeframe, time frame, cuándo, fecha estimada de compra, cuándo compra,
        cuándo quiere comprar, urgencia, horizonte, purchase timeframe
        """,
    "property_type": """
        tipo de propiedad, tipo propiedad, tipo de inmueble, tipo inmueble, property type, tipo de vivienda,
        tipología
        """,
    "bedrooms": """
        dormitorios, dormitorio, n° dormitorios, cantidad de dormitorios, habitaciones, recámaras, bedrooms, beds,
        piezas
        """,
    "purpose": "propósito, finalidad, objetivo, objetivo de compra, purpose, motivo de compra",
    "job_type": """
        tipo de trabajo, tipo de contrato, situación laboral, tipo contrato, ocupación, job type, employment type,
        employment status, actividad laboral
        """,
    "mortgage_preapproval": """
        preaprobación, pre aprobación, crédito preaprobado, crédito pre-aprobado, preaprobación hipotecaria,
        mortgage preapproval, pre-approved, preapproval
        """,
    "funding_source": """
        financiamiento, forma de pago, fuente de financiamiento, tipo de financiamiento, funding source, financing
        """,
    "source": """
        origen, fuente, source, lead source, origen del lead, fuente del lead, origen lead, canal, canal de origen,
        portal, procedencia, medio, original source, fuente original, channel, platform, plataforma, utm_source
        """,
    "stage": """
        etapa, etapa del lead, etapa embudo, etapa del embudo, pipeline stage, pipeline_stage, stage, lead status,
        estado del lead, estado lead, estado, status
        """,
    "external_id": """
        external id, id externo, lead id, id lead, id del lead, record id, id de registro, contact id, id contacto,
        id de contacto, record id - contact, id consulta, id de consulta, inquiry id, código lead, folio,
        hs_object_id, id
        """,
    "property_ref": """
        propiedad, código propiedad, código de propiedad, cod propiedad, id propiedad, property, property id,
        property code, listing, listing id, proyecto, proyecto de interés, propiedad de interés, código aviso,
        aviso, publicación, código publicación, unidad
        """,
    "consent": """
        consentimiento, consent, acepta marketing, acepta publicidad, acepta contacto, acepta ser contactado, acepta
        comunicaciones, autoriza contacto, autoriza publicidad, opt in, opt-in marketing, marketing consent
        """,
    "consent_source": """
        origen del consentimiento, origen consentimiento, fuente del consentimiento, fuente consentimiento, consent
        source
        """,
    "consent_wording": """
        texto del consentimiento, texto consentimiento, texto aceptado, consent wording, consent text
        """,
    "consent_at": """
        fecha del consentimiento, fecha de consentimiento, fecha consentimiento, consent at, consent date
        """,
    "consent_channel": """
        canal del consentimiento, canal de consentimiento, canal consentimiento, consent channel
        """,
    "opt_out": """
        baja, de baja, dado de baja, dada de baja, no contactar, no molestar, desuscrito, opt out, opted out,
        unsubscribed, do not contact
        """,
    "opt_out_at": "fecha de baja, fecha baja, fecha de la baja, opt out at, opt out date, unsubscribed at",
    "created_at": """
        fecha, fecha creación, fecha de creación, fecha ingreso, fecha de ingreso, fecha registro, fecha de
        registro, fecha contacto, fecha de contacto, fecha consulta, fecha de consulta, fecha y hora, creado, creado
        el, date, created, created at, created time, create date, created date, creation date, date created,
        submission date, submitted at, timestamp, marca temporal, marca de tiempo
        """,
}  # fmt: skip
ALIASES = {key: tuple(" ".join(alias.split()) for alias in aliases.split(",")) for key, aliases in _ALIASES.items()}

# What the broker's own questions in a lead-ad form are about. Only for headers that are questions: in any
# other header a word inside it proves nothing ("renta corta", "presupuesto enviado").
QUESTIONS = {
    "presupuesto": "budget", "budget": "budget", "comuna": "location", "dondebuscas": "location",
    "dormitorio": "bedrooms", "bedroom": "bedrooms", "dicom": "dicom_status", "renta": "monthly_income",
    "ingreso": "monthly_income", "sueldo": "monthly_income", "income": "monthly_income", "cuando": "timeline",
    "plazo": "timeline", "tipodepropiedad": "property_type", "invertiro": "purpose", "viviro": "purpose",
}  # fmt: skip

# Exports known by their columns: what `source` is when no column says it.
SIGNATURES = (
    (squashed("created_time", "form_name"), "meta"),
    (squashed("Lead Status", "Create Date"), "hubspot"),
)

CONTACT_KEYS = ("phone", "email", "telegram_chat_id", "name", "first_name")

_KEY_OF = {squash(alias): (key, rank) for key, aliases in ALIASES.items() for rank, alias in enumerate((*aliases, key))}


@dataclass(frozen=True, slots=True)
class Columns:
    """A header line understood. `of` gives the columns (positions) of each key found, the preferred first."""

    header: tuple[str, ...]
    of: dict[str, tuple[int, ...]]
    source: str

    @property
    def unmapped(self) -> tuple[int, ...]:
        mapped = {index for indexes in self.of.values() for index in indexes}
        return tuple(index for index in range(len(self.header)) if index not in mapped)


def parse_mapping(pairs: Iterable[str]) -> list[tuple[str, str]]:
    """'phone=Tel. contacto' → ('phone', 'Tel. contacto'). Raises MappingError."""
    found = []
    for pair in pairs:
        key, equals, column = (part.strip() for part in pair.partition("="))
        if not (key and equals and column):
            raise MappingError(f"--mapping {pair!r} is not of the form key=column")
        found.append((key, column))
    return found


def recognised(
    row: Sequence[str],
    mapping: Iterable[tuple[str, str]] = (),
    custom_fields: Mapping[str, str] | None = None,
) -> int:
    """How many of the row's cells are headers we know; 0 without one that says who the lead is."""
    asked = {squash(column) for _, column in mapping}
    keys = [_key(cell, custom_fields or {})[0] or squash(cell) in asked for cell in row]
    mapped = len([key for key in keys if key])
    return mapped if asked or any(key in CONTACT_KEYS for key in keys) else 0


def map_columns(
    row: Sequence[str],
    mapping: Sequence[tuple[str, str]] = (),
    *,
    custom_fields: Mapping[str, str] | None = None,
    file_name: str = "the file",
) -> Columns:
    """The header line's columns by key. `mapping` wins over the tables; `custom_fields` are the broker's own
    (key → label). Raises MappingError, and NotACsv when no column says who the lead is."""
    header, custom = _unique(row), custom_fields or {}
    chosen = _chosen(header, mapping, custom)
    of = _found(header, {index for indexes in chosen.values() for index in indexes}, custom)
    of |= {key: tuple(indexes) for key, indexes in chosen.items()}
    if not any(key in of for key in CONTACT_KEYS):
        raise NotACsv(file_name, f"the header line {_listed(header)}, none of which is a phone, an e-mail or a name")
    squashed_header = {squash(column) for column in header}
    source = next((source for signs, source in SIGNATURES if signs <= squashed_header), "")
    return Columns(header, of, source)


def _unique(row: Sequence[str]) -> tuple[str, ...]:
    """Every column gets a name of its own, so that a line can be kept as {column: cell}."""
    header: list[str] = []
    for number, cell in enumerate(row, start=1):
        column = " ".join(cell.split()) or f"column {number}"
        header.append(f"{column} ({number})" if column in header else column)
    return tuple(header)


def _found(header: Sequence[str], taken: set[int], custom: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    ranked: dict[str, list[tuple[int, int]]] = {}
    for index, column in enumerate(header):
        key, rank = _key(column, custom)
        if key and index not in taken:
            ranked.setdefault(key, []).append((rank, index))
    return {key: tuple(index for _, index in sorted(found)) for key, found in ranked.items()}


def _key(column: str, custom: Mapping[str, str]) -> tuple[str, int]:
    word = squash(column)
    if not word:
        return "", 0
    own = next((key for key, label in custom.items() if word in (squash(key), squash(label))), "")
    return _KEY_OF.get(word) or (own, 0) if own or word in _KEY_OF else _question(column, word)


def _question(column: str, word: str) -> tuple[str, int]:
    if "?" not in column and "¿" not in column:
        return "", 0
    return next((key for asked, key in QUESTIONS.items() if asked in word), ""), len(_KEY_OF)


def _chosen(
    header: Sequence[str], mapping: Sequence[tuple[str, str]], custom: Mapping[str, str]
) -> dict[str, list[int]]:
    chosen: dict[str, list[int]] = {}
    for key, column in mapping:
        if key not in ALIASES and key not in custom:
            allowed = ", ".join([*ALIASES, *custom])
            raise MappingError(f"--mapping {key}={column}: no such key {key!r}; allowed are {allowed}")
        chosen.setdefault(key, []).append(_position(header, key, column))
    return chosen


def _position(header: Sequence[str], key: str, column: str) -> int:
    for same in (str, squash):
        for index, candidate in enumerate(header):
            if same(candidate) == same(column) and same(column):
                return index
    raise MappingError(f"--mapping {key}={column}: no such column {column!r}; the file has {_listed(header)}")


def _listed(header: Sequence[str]) -> str:
    shown = ", ".join(f"'{column[:60]}'" for column in header[:40])
    return shown + (f" and {len(header) - 40} more" if len(header) > 40 else "")
