.DEFAULT_GOAL := help
# `make test-opentofu` is not part of `make test`: it is the same suite again.
.PHONY: help world install test test-opentofu down setup images docs collection collection-build lint

help: ## Show what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

world: ## Build everything that is missing and bring up the world
	@scripts/world.sh

install: ## Install the provider and the collection for good, in your home folder
	@scripts/install.sh

test: ## Run every test, against real Terraform, Docker, Kubernetes and k3d
	@scripts/test.sh

test-opentofu: ## Run the acceptance tests with OpenTofu, built from its module
	@scripts/test.sh opentofu

down: ## Take the world away
	@scripts/down.sh

setup: ## Check this machine, and install what is missing
	@scripts/setup.sh

images: ## Build the embedded images
	@ATLAS_IMAGES=embedded scripts/images.sh

docs: ## Write the provider's documentation from its schemas and examples
	@cargo run --quiet -p terraform-provider-atlas -- docs provider/docs

collection: ## Write the Ansible collection's stubs from the modules' argument specs
	@cargo run --quiet -p atlas-ansible -- collection ansible-module/collection

collection-build: ## Build the collection's tarball for this architecture, into target/
	@scripts/build-collection.sh

lint: ## Format, clippy, and the licences and advisories of dependencies (needs cargo-deny)
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- -D warnings
	@cargo deny check
