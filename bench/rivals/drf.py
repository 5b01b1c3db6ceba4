"""djangorestframework-api-key on SQLite, for gunicorn: 204 for its key, 403 for any other. Run by itself, it makes the
database and prints a key."""

import os

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DRF_DATABASE"]}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "rest_framework_api_key"],
    LOGGING_CONFIG=None,
    MIDDLEWARE=[],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework_api_key.permissions.HasAPIKey"],
    },
    ROOT_URLCONF="drf",
    SECRET_KEY="a-bench-signs-nothing-that-anybody-believes",
    USE_TZ=True,
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import re_path  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class Verify(APIView):
    def get(self, request):
        return Response(status=204)


urlpatterns = [re_path("^", Verify.as_view())]
application = get_wsgi_application()

if __name__ == "__main__":
    from django.core.management import call_command
    from rest_framework_api_key.models import APIKey

    call_command("migrate", verbosity=0)
    print(APIKey.objects.create_key(name="bench")[1])
