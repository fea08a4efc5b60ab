.DEFAULT_GOAL := help
.PHONY: help world test down setup images docs lint

help: ## Show what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

world: ## Build everything that is missing and bring up the world
	@scripts/world.sh

test: ## Run every test, against real Terraform, Docker, Kubernetes and k3d
	@scripts/test.sh

down: ## Take the world away
	@scripts/down.sh

setup: ## Check this machine, and install what is missing
	@scripts/setup.sh

images: ## Build the embedded images
	@ATLAS_IMAGES=embedded scripts/images.sh

docs: ## Write the provider's documentation from its schemas and examples
	@cargo run --quiet -p terraform-provider-atlas -- docs provider/docs

lint: ## Format, clippy, and the licences and advisories of dependencies (needs cargo-deny)
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- -D warnings
	@cargo deny check
