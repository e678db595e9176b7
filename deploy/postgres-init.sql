-- Run once by the postgres image, when its volume is empty. The passwords come from the container's environment; without them this fails.
\set ON_ERROR_STOP on
\getenv password MORAG_DATABASE_PASSWORD
\getenv server_password MORAG_SERVER_PASSWORD

-- NOINHERIT: outside a transaction that has taken a role, a query is refused. CREATEROLE: where it finds no roles to take, it makes them.
CREATE ROLE morag LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOINHERIT CREATEROLE PASSWORD :'password';
CREATE DATABASE morag OWNER morag ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE morag FROM PUBLIC;

-- What the migration takes, and the two that serving takes: a server that logs in as morag_server can change no table.
CREATE ROLE morag_owner NOLOGIN NOINHERIT;
CREATE ROLE morag_app NOLOGIN NOINHERIT;
CREATE ROLE morag_system NOLOGIN NOINHERIT;
GRANT morag_owner, morag_app, morag_system TO morag WITH INHERIT FALSE, SET TRUE;
CREATE ROLE morag_server LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOINHERIT NOCREATEROLE PASSWORD :'server_password';
GRANT morag_app, morag_system TO morag_server WITH INHERIT FALSE, SET TRUE;
GRANT CONNECT ON DATABASE morag TO morag_server;
