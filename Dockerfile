# syntax=docker/dockerfile:1

# A role of Barograph. EXTRAS adds optional parts: --build-arg EXTRAS=torch
FROM python:3.12-slim AS build
ARG EXTRAS=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/barograph
WORKDIR /src
# Only what the package is made of, so that an edited test does not build everything anew.
COPY pyproject.toml README.md LICENSE ./
COPY ingest ingest
COPY classifier classifier
COPY alerts alerts
COPY trainer trainer
COPY barograph barograph
RUN /opt/barograph/bin/pip install ".${EXTRAS:+[${EXTRAS}]}"

FROM python:3.12-slim
RUN groupadd --system --gid 10001 barograph \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/barograph barograph \
    && install -d -o barograph -g barograph -m 0700 /var/lib/barograph
COPY --from=build /opt/barograph /opt/barograph
ENV PATH=/opt/barograph/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BAROGRAPH_DATA_DIR=/var/lib/barograph \
    BAROGRAPH_HTTP__HOST=0.0.0.0 \
    BAROGRAPH_HTTP__PORT=8080
# By number, so that a cluster that demands a user other than root can see that it is one.
USER 10001:10001
WORKDIR /var/lib/barograph
VOLUME /var/lib/barograph
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --retries=6 --start-period=60s \
    CMD ["python", "-c", "import http.client as h, sys; c = h.HTTPConnection('127.0.0.1', 8080, timeout=4); c.request('GET', '/ready'); sys.exit(c.getresponse().status != 200)"]
CMD ["barograph", "run"]
