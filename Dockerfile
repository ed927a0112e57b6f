# One file, three images: `service` (API, migrations and sweeper), `worker` (CPU) and `worker-gpu` (CUDA).

FROM python:3.12-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1 \
    PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    TED_HOME=/var/lib/ted
# A named volume mounted on this folder takes over its owner.
RUN useradd --create-home --uid 10001 ted && install -d -o ted -g ted /var/lib/ted
WORKDIR /app
# Dependencies come before the code, so that a change of the code installs none of them again: each image installs the
# extras of a package that holds nothing yet, takes the package away, and later gets the real one.
COPY pyproject.toml constraints/ci.txt ./
RUN touch README.md LICENSE

FROM base AS package
COPY . .
RUN pip wheel --no-deps --wheel-dir /wheels .

FROM base AS service
RUN pip install -c ci.txt '.[server]' && pip uninstall --yes ted-coreset
RUN --mount=from=package,source=/wheels,target=/wheels pip install --no-deps /wheels/*.whl
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python", "-m", "service.probe"]
CMD ["ted", "api"]

FROM base AS worker
RUN pip install --extra-index-url https://download.pytorch.org/whl/cpu -c ci.txt '.[worker,text]' \
    && pip uninstall --yes ted-coreset
RUN --mount=from=package,source=/wheels,target=/wheels pip install --no-deps /wheels/*.whl
USER 10001
HEALTHCHECK --interval=60s --timeout=15s --start-period=60s CMD ["python", "-m", "worker.doctor.probe"]
CMD ["ted", "worker"]

# PyPI's Linux build of torch carries CUDA; the driver comes from the machine.
FROM base AS worker-gpu
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility TED_DEVICE=cuda
RUN pip install -c ci.txt '.[worker,text]' && pip uninstall --yes ted-coreset
RUN --mount=from=package,source=/wheels,target=/wheels pip install --no-deps /wheels/*.whl
USER 10001
HEALTHCHECK --interval=60s --timeout=15s --start-period=60s CMD ["python", "-m", "worker.doctor.probe"]
CMD ["ted", "worker"]
