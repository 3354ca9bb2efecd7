# Two images: docker build --target webhook -t udplb . and --target sidecar -t udp-healthcheck .
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-trixie
ARG COMPILER_IMAGE=docker.io/library/debian:trixie-slim

FROM ${COMPILER_IMAGE} AS sidecar-build
RUN command -v musl-gcc >/dev/null \
    || { apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev make musl-tools; }
WORKDIR /src/sidecar
COPY webhook/__init__.py ../webhook/
COPY sidecar .
RUN make

FROM scratch AS sidecar
COPY --from=sidecar-build /src/sidecar/build/udp-healthcheck /udp-healthcheck
USER 64646:64646
ENTRYPOINT ["/udp-healthcheck"]

FROM ${PYTHON_IMAGE} AS webhook-build
# pip's own settings, for a build without a network.
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
RUN python3 -m venv --without-pip /opt/udplb
COPY requirements.lock .
# Wheels only: a package without one would need a compiler.
RUN python3 -m pip --python /opt/udplb/bin/python install --no-cache-dir --no-compile --require-hashes --no-deps \
    --only-binary :all: -r requirements.lock
COPY certs /src/certs
COPY webhook /src/webhook
# The root file system is read-only at run time, so modules are compiled here.
RUN cp -r /src/certs /src/webhook /opt/udplb/lib/python3*/site-packages/ \
    && printf '#!/opt/udplb/bin/python\nfrom webhook.cli import main\n\nmain()\n' > /opt/udplb/bin/udplb \
    && chmod 755 /opt/udplb/bin/udplb \
    && /opt/udplb/bin/python -m compileall -q /opt/udplb/lib

FROM ${PYTHON_IMAGE} AS webhook
RUN python3 -c 'import ensurepip, pathlib, pip, shutil; [shutil.rmtree(pathlib.Path(m.__file__).parent) for m in (ensurepip, pip)]'
COPY --from=webhook-build /opt/udplb /opt/udplb
ENV PATH=/opt/udplb/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 64646:64646
ENTRYPOINT ["udplb"]
