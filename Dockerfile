# docker build --target serve -t etapromise:serve .     answers over HTTP; models are in the volume /models
# docker build --target batch -t etapromise:batch .     trains, refreshes, scores, monitors: docs/nightly.md
# docker build --target demo -t etapromise:demo .       trains on the sample and writes the report
FROM python:3.12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN pip wheel --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/etapromise \
    && /opt/etapromise/bin/pip install --no-cache-dir --no-compile "$(echo /wheels/etapromise-*.whl)[serve]" \
    && scripts/trim_environment.sh /opt/etapromise

FROM python:3.12-slim AS serve
COPY --from=build /opt/etapromise /opt/etapromise
ENV PATH=/opt/etapromise/bin:$PATH
RUN useradd --system --uid 10001 eta
# By number: Kubernetes cannot tell by a name that it is not root.
USER 10001
VOLUME /models
EXPOSE 8080
CMD ["etapromise", "serve", "--models", "/models", "--host", "0.0.0.0", "--port", "8080"]

FROM python:3.12-slim AS batch
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(echo /wheels/etapromise-*.whl)[train]" && useradd --system --uid 10001 eta
USER 10001
CMD ["etapromise", "--help"]

FROM build AS demo
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
CMD ["make", "demo"]
