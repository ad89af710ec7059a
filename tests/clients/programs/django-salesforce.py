"""Logs in with a user name and a password, by OAuth and by SOAP; checks the signature of what the
token endpoint answers; speaks https only."""

import os

import django
from django.conf import settings
from proxy import *

needs(TLS, "TLS")
os.environ["REQUESTS_CA_BUNDLE"] = CA

org = {
    "ENGINE": "salesforce.backend",
    "HOST": TLS,
    "CONSUMER_KEY": "any",
    "CONSUMER_SECRET": "any secret",
    "USER": "me@example.com",
    "PASSWORD": "any password",
}
settings.configure(
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
        "salesforce": org,
        "soap": org | {"AUTH": "salesforce.auth.SimpleSfPasswordAuth"},
    },
    DATABASE_ROUTERS=["salesforce.router.ModelRouter"],
    USE_TZ=True,
)
django.setup()

from salesforce import models  # after the settings


class Account(models.SalesforceModel):
    name = models.CharField(max_length=255, db_column="Name")
    website = models.CharField(max_length=255, db_column="Website", null=True)

    class Meta(models.SalesforceModel.Meta):
        app_label = "accounts"
        db_table = "Account"


for door in ("salesforce", "soap"):
    accounts = Account.objects.using(door)
    equal(len(accounts.order_by("name")), 20)
    did(f"{door}: login and query")

    end_session()
    made = accounts.create(name="Made by Django")
    end_session()
    accounts.filter(pk=made.pk).update(website="https://django.example")
    equal(accounts.get(name="Made by Django").website, "https://django.example")
    end_session()
    made.delete(using=door)
    equal(list(accounts.filter(name="Made by Django")), [])
    did(f"{door}: create, update and delete")
