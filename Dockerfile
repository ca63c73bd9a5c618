# Our own image: worker, sink, console and feeds are one program, started with different commands.

FROM node:22.21.1-bookworm-slim@sha256:25b3eb23a00590b7499f2a2ce939322727fcce1b15fdd69754fcd09536a3ae2c AS charts
WORKDIR /console
COPY connectors/console/package.json connectors/console/package-lock.json connectors/console/.npmrc ./
RUN npm run vendor

FROM python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d
ENV PYTHONUNBUFFERED=1 XDG_CACHE_HOME=/var/cache/dosetwin UV_NO_CACHE=1
WORKDIR /app
COPY requirements/runtime.lock requirements/
RUN pip install --no-cache-dir uv==0.13.9 \
    && uv pip install --system --compile-bytecode --require-hashes -r requirements/runtime.lock
COPY pyproject.toml README.md LICENSE docker-compose.yml ./
COPY twin twin
COPY connectors connectors
COPY streams streams
COPY dosetwin dosetwin
COPY --from=charts /console/static/vendor connectors/console/static/vendor
# Its number is known, so that folders of the machine (keys of patients, releases) can be made its own.
RUN useradd --system --uid 10001 dosetwin \
    && install -d -m 700 -o dosetwin /var/cache/dosetwin /var/lib/dosetwin \
    && uv pip install --system --compile-bytecode --no-deps .
USER dosetwin
CMD ["dosetwin", "--help"]
