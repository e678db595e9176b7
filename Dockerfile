FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Without install scripts the development dependency `node` brings no second Node 24; the image has one.
RUN npm ci --ignore-scripts
COPY nest-cli.json tsconfig.json tsconfig.build.json ormconfig.ts ./
COPY src ./src
RUN npm run build

FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# `prepare` would build here, where there is no compiler; `rebuild` runs the packages' own install scripts, those of allowScripts.
# What only compilers and debuggers read is a quarter of it all.
RUN npm ci --omit=dev --ignore-scripts && npm rebuild \
  && find node_modules -type f \( -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' \) -delete

FROM node:24-bookworm-slim
LABEL org.opencontainers.image.title="MoRAG Server" \
  org.opencontainers.image.description="Multi-tenant backend for document ingestion and retrieval"
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 DATA_DIR=/data
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json ./
# What an operator runs in here: `node scripts/reconcile.mjs`, `backup.mjs`, `restore.mjs` and `audit-verify.mjs`.
COPY scripts/build.mjs scripts/node24.mjs scripts/server-parts.mjs scripts/reconcile.mjs scripts/backup.mjs scripts/restore.mjs scripts/audit-verify.mjs ./scripts/
# A volume that is new takes over owner and mode of the folder it covers. Everything else may be read-only, but for /tmp.
RUN mkdir --mode=0700 /data && chown node:node /data
VOLUME /data
# `node`, as a number: Kubernetes' runAsNonRoot believes no name.
USER 1000:1000
EXPOSE 3000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/ready`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Node itself is process 1, so SIGTERM reaches the server, which then has 25 seconds to finish: stop with --time 35.
STOPSIGNAL SIGTERM
CMD ["node", "--enable-source-maps", "dist/src/main.js"]
