FROM python:3.12-slim

# "[torch]" for the GPU engine; nothing for the CPU engine.
ARG EXTRAS=""

WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY ingest ingest
COPY classifier classifier
COPY alerts alerts
COPY trainer trainer
COPY barograph barograph
RUN pip install --no-cache-dir ".${EXTRAS}" && rm -rf /build

RUN useradd --create-home --uid 10001 barograph && install -d -o barograph /data
USER barograph
WORKDIR /home/barograph
VOLUME /data
ENV BAROGRAPH_DATA_DIR=/data PYTHONUNBUFFERED=1
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=6 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=3)"]
CMD ["barograph", "run"]
