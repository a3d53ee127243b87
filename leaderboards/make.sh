#!/usr/bin/env bash
# Runs every cell of the committed leaderboards and writes them: bash leaderboards/make.sh RUNS OUT
# About an hour and a quarter a dataset; an interrupted call continues where it stopped.
set -euo pipefail
# Sums of several threads are rounded in another order, which restoration's figures show.
export OMP_NUM_THREADS=1
runs=${1:?folder for runs} out=${2:?folder for leaderboards}

seeds=(--seed 0 --seed 1 --seed 2)
windows=(--defense "vim[window=2]" --defense "vim[window=7]" --defense "vim[window=entire]" --defense "vim[window=adaptive]")
variants=(--defense "vim[key=fixed]" --defense "vim[variant=online]")

for dataset in mnist-5k orl-faces; do
    privbench run --dataset "$dataset" --defense all "${windows[@]}" "${variants[@]}" \
        --attack all --attack "restoration[aim=ssim]" "${seeds[@]}" --out "$runs" --quiet
    # Who may use the oracle learns a key that is reused.
    privbench run --dataset "$dataset" --defense "vim[key=fixed]" \
        --attack "restoration[adversary=chosen-inputs]" "${seeds[@]}" --out "$runs" --quiet
done
privbench leaderboard --from "$runs" --out "$out"
