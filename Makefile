# Everything one types to build, run and test Sealgate. `make help` lists the targets; `make test` is what CI runs.
# Where Rust comes from and what else a machine needs: scripts/bootstrap.

# Set CARGO_TARGET_DIR to build elsewhere; all that is made here follows it.
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
VENV := $(TARGET)/venv
TOOLS := $(TARGET)/tools

# Just after rustup has installed Rust, the shell that make was started from does not know it yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

heading = @printf '\n=== %s ===\n' '$(1)'

.DEFAULT_GOAL := help
# `make -j test` still goes from cheap to expensive; cargo uses all cores by itself.
.NOTPARALLEL:
.PHONY: help run build lib header test test-rust test-python fmt-check clippy doc deny fmt bench-http clean bootstrap-run bootstrap-test bootstrap-bench-http
