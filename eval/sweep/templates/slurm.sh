#!/bin/bash
# A sweep as a job array, from the root of the repository:
#   deno task sweep plan grid.ts --out manifest.jsonl
#   sbatch --array=0-15 eval/sweep/templates/slurm.sh manifest.jsonl /shared/results
#   deno task sweep status manifest.jsonl --results /shared/results
# Indices start at 0. A task that is preempted or killed goes on where it was when it is queued again.
#SBATCH --job-name=quantbook-sweep
#SBATCH --array=0-3
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --output=quantbook-%A_%a.log
set -euo pipefail
cd "$SLURM_SUBMIT_DIR"
export QUANTBOOK_THREADS="${SLURM_CPUS_PER_TASK:-1}"
exec deno task sweep run "$1" --results "$2" --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
