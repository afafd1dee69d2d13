#!/bin/sh
# Run once by the database's container: the two roles, and the database that one of them owns.
set -eu
psql --set ON_ERROR_STOP=1 --username postgres \
  --set owner_password="$OWNER_PASSWORD" --set app_password="$APP_PASSWORD" <<'SQL'
CREATE ROLE embudo LOGIN PASSWORD :'owner_password';
CREATE ROLE embudo_app LOGIN PASSWORD :'app_password';
GRANT pg_read_all_stats TO embudo_app;
CREATE DATABASE embudo OWNER embudo;
SQL
