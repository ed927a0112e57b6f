# One file, three images: `service` (API, migrations, sweeper), `worker` (CPU) and `worker-gpu`.

FROM python:3.12-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --create-home --uid 10001 ted && install -d -o ted -g ted /var/lib/ted
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY constraints constraints
COPY ted_core ted_core
COPY ted_jobs ted_jobs
COPY ted_client ted_client
COPY service service
COPY worker worker

# The package requires torch, which nothing but a runner loads; the CPU build keeps this image small.
FROM base AS service
RUN pip install --extra-index-url https://download.pytorch.org/whl/cpu -c constraints/ci.txt .
USER 10001
ENV TED_HOME=/var/lib/ted
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python", "-m", "service.probe"]
CMD ["python", "-m", "service"]

FROM service AS worker
HEALTHCHECK NONE
CMD ["python", "-m", "worker"]

# PyPI's Linux build of torch carries CUDA.
FROM base AS worker-gpu
RUN pip install -c constraints/ci.txt .
USER 10001
ENV TED_HOME=/var/lib/ted TED_DEVICE=cuda
CMD ["python", "-m", "worker"]
