# The product in one image: web, worker and beat differ only in their command (see compose.yaml).
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1
WORKDIR /srv/embudo

COPY requirements.txt .
RUN pip install --require-hashes --requirement requirements.txt

COPY . .
# Collecting needs settings, but neither a database nor real secrets; these are forgotten after this line.
RUN DATABASE_URL=postgres://build@localhost/build SECRET_KEY=build CREDENTIALS_KEYS=build \
    python manage.py collectstatic --no-input --verbosity 0 \
    && useradd --system embudo && mkdir -p var && chown embudo var

USER embudo
EXPOSE 8000
CMD ["gunicorn", "config.wsgi", "--no-control-socket", "--worker-class", "gthread", "--workers", "2", "--threads", "8", "--bind", "0.0.0.0:8000"]
