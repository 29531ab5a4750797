#!/usr/bin/env bash
# A SLURM array: each task runs its share of the work units, all in one work
# directory. From the checkout, with WORKDIR on a disk that all nodes share:
#
#   WORKDIR=/shared/h2t sbatch docs/slurm.sh --suite=vtab --data_dir=/shared/tfds
#
# When the array is done, the same command without shard flags makes tables and
# figures from its rows:
#
#   .venv/bin/python -m runners.reproduce --workdir=$WORKDIR (the same flags)
#
#SBATCH --array=0-9
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --requeue
set -euo pipefail
exec "${PYTHON:-.venv/bin/python}" -m runners.reproduce --workdir="$WORKDIR" "$@" \
  --shard_index="$SLURM_ARRAY_TASK_ID" --num_shards="$SLURM_ARRAY_TASK_COUNT"
