.DEFAULT_GOAL := help
# `make test-opentofu` is not part of `make test`: it is the same suite again.
.PHONY: help world status plan logs install check test test-opentofu down clean setup images docs collection collection-build

help: ## Show what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

world: ## Build everything that is missing and bring up the world
	@scripts/world.sh

status: ## Tell how the world is: what runs where, addresses, what is down and the remedy
	@scripts/status.sh

plan: ## Show what `make world` would change
	@scripts/plan.sh

# LINES is set in many shells, where it means the terminal's: it counts only as `make logs LINES=…`.
logs: ## Show the last log lines of its containers (CONTAINER=name, LINES=number)
	@scripts/logs.sh "$(CONTAINER)" "$(if $(filter command line,$(origin LINES)),$(LINES))"

install: ## Install the provider and the collection for good, in your home folder
	@scripts/install.sh

check: ## Check what needs no Docker: format, clippy, unit tests, pages, HCL, charts, scripts, licences
	@scripts/check.sh

test: ## Run every test, against real Terraform, Docker, Kubernetes and k3d
	@scripts/test.sh

test-opentofu: ## Run the acceptance tests with OpenTofu, built from its module
	@scripts/test.sh opentofu

down: ## Take the world away; asks on a terminal, unless YES=1
	@scripts/down.sh

clean: ## Free the cache and the images that were built; asks on a terminal, unless YES=1
	@scripts/clean.sh

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

