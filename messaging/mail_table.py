"""The mail services that django-anymail speaks to: what each asks for, how it is spoken to, how it proves its reports.

One line a service. Left out are Amazon SES, which needs boto3, and SendinBlue, which is Brevo's old name.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from anymail.backends import (
    brevo,
    mailersend,
    mailgun,
    mailjet,
    mailtrap,
    mandrill,
    postal,
    postmark,
    resend,
    scaleway,
    sendgrid,
    sparkpost,
    unisender_go,
)
from anymail.webhooks.brevo import BrevoTrackingWebhookView
from anymail.webhooks.mailersend import MailerSendInboundWebhookView, MailerSendTrackingWebhookView
from anymail.webhooks.mailgun import MailgunInboundWebhookView, MailgunTrackingWebhookView
from anymail.webhooks.mailjet import MailjetInboundWebhookView, MailjetTrackingWebhookView
from anymail.webhooks.mailtrap import MailtrapTrackingWebhookView
from anymail.webhooks.mandrill import MandrillCombinedWebhookView
from anymail.webhooks.postal import PostalInboundWebhookView, PostalTrackingWebhookView
from anymail.webhooks.postmark import PostmarkInboundWebhookView, PostmarkTrackingWebhookView
from anymail.webhooks.resend import ResendTrackingWebhookView
from anymail.webhooks.sendgrid import SendGridInboundWebhookView, SendGridTrackingWebhookView
from anymail.webhooks.sparkpost import SparkPostInboundWebhookView, SparkPostTrackingWebhookView
from anymail.webhooks.unisender_go import UnisenderGoTrackingWebhookView
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from messaging.base import Credential
from messaging.mail_fetching import BrevoMail, MailtrapMail, ResendMail

SECRET = "webhook_secret"


class Door(NamedTuple):
    """A view of anymail's that reads reports or received mail. `proof` is the credential without which it believes
    nobody, and `argument` what the view calls it; `also` are further arguments, each from the credential it names
    (None: nothing, so that no global setting is looked up). `is_for` tells what comes in by the same address apart,
    where the views do not."""

    view: type[Any]
    proof: str = SECRET
    argument: str = SECRET
    also: Mapping[str, str | None] = {}
    is_for: Callable[[HttpRequest], bool] = lambda request: True


@dataclass(frozen=True, slots=True)
class Service:
    """`options` are the credentials that the backend takes; `doors` how it reports, asked in this order, none where it
    does not; `headers` go with every mail, `without` are those that it does not take; our message's id travels as
    metadata, or, where there is none (`has_tags`), as a tag. `refusals` says what is meant by an answer that its HTTP
    status does not tell: `not_configured`, `refused`, or nothing."""

    name: str
    backend: type[Any]
    credentials: tuple[Credential, ...]
    options: tuple[str, ...] = ("api_key",)
    doors: tuple[Door, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    has_tags: bool = False
    refusals: Callable[[Mapping[str, Any]], str] = lambda answer: ""


def _key(where: Promise, name: str = "api_key", label: Any = None) -> Credential:
    return Credential(name, label or gettext_lazy("API key"), where)


def _optional(name: str, label: Promise, where: Promise, *, is_secret: bool = False) -> Credential:
    return Credential(name, label, where, is_secret, is_required=False)


WEBHOOK_SECRET = _optional(
    SECRET,
    gettext_lazy("Webhook secret"),
    gettext_lazy("A user name and a password of your choice, such as embudo:a-long-random-word, given there too"),
    is_secret=True,
)
API_URL = _optional(
    "api_url",
    gettext_lazy("Address of the API"),
    gettext_lazy("Only where the service has given you another one, as for data in the European Union"),
)
OWN_API_URL = API_URL._replace(
    where=gettext_lazy("Such as https://mail.example.com/; it is another one for everybody"), is_required=True
)


def _is_mail_of_mailjet(request: HttpRequest) -> bool:
    told = json.loads(request.body)
    return isinstance(told, dict) and "event" not in told and "Headers" in told


def _is_form(request: HttpRequest) -> bool:
    return request.content_type == "multipart/form-data"


def _postal_refusal(answer: Mapping[str, Any]) -> str:
    """It says everything with HTTP 200."""
    if answer.get("status") not in ("error", "parameter-error"):
        return ""
    data = answer.get("data")
    code = data.get("code") if isinstance(data, dict) else ""
    accounts = {"InvalidServerAPIKey", "AccessDenied", "ServerSuspended", "UnauthenticatedFromAddress"}
    return "not_configured" if code in accounts else "refused"


def _mandrill_refusal(answer: Mapping[str, Any]) -> str:
    """It says with HTTP 500 also what is wrong with a request."""
    if answer.get("status") != "error":
        return ""
    if answer.get("name") in {"Invalid_Key", "PaymentRequired", "Unknown_Subaccount"}:
        return "not_configured"
    return "refused" if answer.get("name") == "ValidationError" else ""


SERVICES: Mapping[str, Service] = {
    "brevo": Service(
        "Brevo",
        brevo.EmailBackend,
        (_key(gettext_lazy("In Brevo under SMTP & API, API keys; version 3")), API_URL, WEBHOOK_SECRET),
        doors=(Door(BrevoTrackingWebhookView), Door(BrevoMail, also={"api_key": None})),
    ),
    "mailersend": Service(
        "MailerSend",
        mailersend.EmailBackend,
        (
            _key(gettext_lazy("In MailerSend an API token of the domain"), "api_token", gettext_lazy("API token")),
            _optional(
                "signing_secret",
                gettext_lazy("Signing secret"),
                gettext_lazy("In MailerSend at the webhook for activity"),
                is_secret=True,
            ),
            _optional(
                "inbound_secret",
                gettext_lazy("Secret for received mail"),
                gettext_lazy("In MailerSend at the inbound route"),
                is_secret=True,
            ),
            API_URL,
        ),
        options=("api_token",),
        doors=(
            Door(MailerSendTrackingWebhookView, "signing_secret", "signing_secret"),
            Door(MailerSendInboundWebhookView, "inbound_secret", "inbound_secret"),
        ),
        has_tags=True,
    ),
    "mailgun": Service(
        "Mailgun",
        mailgun.EmailBackend,
        (
            _key(gettext_lazy("In Mailgun a sending key of the domain")),
            _optional(
                "sender_domain", gettext_lazy("Sending domain"), gettext_lazy("Where it is not that of the sender")
            ),
            _optional(
                "webhook_signing_key",
                gettext_lazy("Webhook signing key"),
                gettext_lazy("In Mailgun under API security"),
                is_secret=True,
            ),
            API_URL,
        ),
        options=("api_key", "sender_domain"),
        doors=tuple(
            Door(view, "webhook_signing_key", "webhook_signing_key", {"api_key": None})
            for view in (MailgunTrackingWebhookView, MailgunInboundWebhookView)
        ),
    ),
    "mailjet": Service(
        "Mailjet",
        mailjet.EmailBackend,
        (
            _key(gettext_lazy("In Mailjet under API key management")),
            _key(gettext_lazy("In Mailjet beside the API key"), "secret_key", gettext_lazy("Secret key")),
            API_URL,
            WEBHOOK_SECRET,
        ),
        options=("api_key", "secret_key"),
        doors=(Door(MailjetInboundWebhookView, is_for=_is_mail_of_mailjet), Door(MailjetTrackingWebhookView)),
        without=frozenset({"Message-ID"}),
    ),
    "mailtrap": Service(
        "Mailtrap",
        mailtrap.EmailBackend,
        (
            _key(
                gettext_lazy("In Mailtrap under Settings, API tokens; of the sending domain"),
                "api_token",
                gettext_lazy("API token"),
            ),
            _optional(
                "tracking_secret",
                gettext_lazy("Signing secret"),
                gettext_lazy("In Mailtrap at the webhook for reports"),
                is_secret=True,
            ),
            _optional(
                "inbound_secret",
                gettext_lazy("Secret for received mail"),
                gettext_lazy("In Mailtrap at the webhook of the inbox"),
                is_secret=True,
            ),
            API_URL,
        ),
        options=("api_token",),
        doors=(
            Door(MailtrapTrackingWebhookView, "tracking_secret", "tracking_secret"),
            Door(MailtrapMail, "inbound_secret", "inbound_secret", {"api_token": "api_token"}),
        ),
    ),
    "mandrill": Service(
        "Mandrill",
        mandrill.EmailBackend,
        (
            _key(gettext_lazy("In Mandrill under Settings, SMTP & API info")),
            _optional(
                "webhook_key",
                gettext_lazy("Webhook key"),
                gettext_lazy("In Mandrill at the webhook, once it was added"),
                is_secret=True,
            ),
            API_URL,
        ),
        doors=(Door(MandrillCombinedWebhookView, "webhook_key", "webhook_key"),),
        refusals=_mandrill_refusal,
    ),
    "postal": Service(
        "Postal",
        postal.EmailBackend,
        (
            _key(gettext_lazy("In Postal a credential of the server, of the type API")),
            OWN_API_URL,
            _optional(
                "webhook_key",
                gettext_lazy("Webhook key"),
                gettext_lazy("The public key that postal default-dkim-record shows after p="),
                is_secret=True,
            ),
        ),
        doors=tuple(
            Door(view, "webhook_key", "webhook_key") for view in (PostalTrackingWebhookView, PostalInboundWebhookView)
        ),
        has_tags=True,
        refusals=_postal_refusal,
    ),
    "postmark": Service(
        "Postmark",
        postmark.EmailBackend,
        (
            _key(
                gettext_lazy("In Postmark under the server's API tokens"),
                "server_token",
                gettext_lazy("Server API token"),
            ),
            _optional(
                "message_stream",
                gettext_lazy("Message stream"),
                gettext_lazy("The ID of the one for campaigns, such as broadcast; empty is the transactional one"),
            ),
            API_URL,
            WEBHOOK_SECRET,
        ),
        options=("server_token", "message_stream"),
        doors=(Door(PostmarkTrackingWebhookView), Door(PostmarkInboundWebhookView)),
        # Answers refer to our own Message-ID.
        headers={"X-PM-KeepID": "true"},
    ),
    "resend": Service(
        "Resend",
        resend.EmailBackend,
        (_key(gettext_lazy("In Resend under API keys")), API_URL, WEBHOOK_SECRET),
        doors=(
            Door(ResendMail, also={"api_key": "api_key", "api_url": "api_url", "inbound_secret": None}),
            Door(ResendTrackingWebhookView, also={"signing_secret": None}),
        ),
    ),
    "scaleway": Service(
        "Scaleway TEM",
        scaleway.EmailBackend,
        (
            _key(gettext_lazy("In Scaleway under IAM, API keys"), "secret_key", gettext_lazy("Secret key")),
            Credential(
                "project_id", gettext_lazy("Project ID"), gettext_lazy("In Scaleway at the project's settings"), False
            ),
            _optional("region", gettext_lazy("Region"), gettext_lazy("Empty is fr-par")),
            API_URL,
        ),
        options=("secret_key", "project_id", "region"),
    ),
    "sendgrid": Service(
        "SendGrid",
        sendgrid.EmailBackend,
        (_key(gettext_lazy("In SendGrid one that may send mail")), API_URL, WEBHOOK_SECRET),
        doors=(
            Door(SendGridInboundWebhookView, is_for=_is_form),
            Door(SendGridTrackingWebhookView, also={"tracking_webhook_verification_key": None}),
        ),
    ),
    "sparkpost": Service(
        "SparkPost",
        sparkpost.EmailBackend,
        (_key(gettext_lazy("In SparkPost one that may write transmissions")), API_URL, WEBHOOK_SECRET),
        doors=(Door(SparkPostTrackingWebhookView), Door(SparkPostInboundWebhookView)),
    ),
    "unisender_go": Service(
        "Unisender Go",
        unisender_go.EmailBackend,
        (_key(gettext_lazy("In Unisender Go under Security; the reports are signed with it too")), OWN_API_URL),
        doors=(Door(UnisenderGoTrackingWebhookView, "api_key", "api_key"),),
    ),
}
