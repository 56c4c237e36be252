# Thin: what a target does is in scripts/.
.PHONY: help run test check bench fuzz fmt
.DEFAULT_GOAL := help

# rustup's default place, for shells that have not sourced its environment.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

help: ## Show the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 8

run: ## Build and serve; arguments go through ARGS, e.g. ARGS="-c parapet.yaml"
	@scripts/setup.sh rust
	@cargo run --quiet --profile quick --package parapet -- serve $(ARGS)

test: ## Run every test, installing what that needs
	@scripts/test.sh

check: ## Format, lints, licences, advisories, spelling
	@scripts/check.sh

bench: ## Measure beside nginx and a direct connection; arguments go through ARGS
	@scripts/setup.sh rust nginx
	@cargo build --release --package parapet
	@cargo run --quiet --release --package xtask -- bench $(ARGS)

fuzz: ## Fuzz parsers and translators; ARGS="SECONDS [TARGET...]", or ARGS=keep
	@scripts/fuzz.sh $(ARGS)

fmt: ## Format the code
	@scripts/setup.sh rust
	@cargo fmt --all
	@cargo fmt --manifest-path fuzz/Cargo.toml
