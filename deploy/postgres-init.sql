-- Run once by the postgres image, when its volume is empty. The password comes from the container's environment; without it this fails.
\set ON_ERROR_STOP on
\getenv password MORAG_DATABASE_PASSWORD

-- NOINHERIT: outside a transaction that has taken a role, a query is refused. CREATEROLE: the server makes the roles it takes.
CREATE ROLE morag LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOINHERIT CREATEROLE PASSWORD :'password';
CREATE DATABASE morag OWNER morag ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE morag FROM PUBLIC;
